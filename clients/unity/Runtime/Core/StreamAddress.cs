using System;
using System.Globalization;
using System.Linq;

namespace Myocast
{
    /// <summary>Where a stream is, from an address as people have it. Immutable; may be used from any thread.</summary>
    public sealed class StreamAddress
    {
        private const string StreamPath = "/v1/stream", StatusPath = "/api/v1/status";
        private const double HighestRate = 1000;
        private static readonly string[] Names = { "pose", "emg", "imu", "status" };
        private static readonly string[] OurFields = { "token", "streams", "max_rate" };

        /// <summary>The WebSocket address (ws or wss), with the subscription but without the token.</summary>
        public readonly Uri Uri;
        /// <summary>Where the same server answers `GET /api/v1/status` (http or https).</summary>
        public readonly Uri Status;
        /// <summary>From `#token=` or `?token=`; null without one.</summary>
        public readonly string Token;

        private StreamAddress(Uri given, string query, string token)
        {
            var secure = given.Scheme == "wss" || given.Scheme == "https";
            var host = given.Host + (given.IsDefaultPort ? "" : ":" + given.Port);
            var path = given.AbsolutePath == "/" ? StreamPath : given.AbsolutePath;
            var prefix = path.EndsWith(StreamPath) ? path.Substring(0, path.Length - StreamPath.Length) : "";
            Uri = new Uri((secure ? "wss://" : "ws://") + host + path + "?" + query);
            Status = new Uri((secure ? "https://" : "http://") + host + prefix + StatusPath);
            Token = token;
        }

        /// <summary>Reads an address such as `http://HOST:PORT/#token=T`. See StreamOptions for all four.</summary>
        /// <exception cref="FormatException">The address, the streams or the rate are not valid.</exception>
        public static StreamAddress Parse(string url, string streams, double maxRate, string token = null)
        {
            url = (url ?? "").Trim();
            if (url.IndexOf("://", StringComparison.Ordinal) < 0)
                url = "ws://" + url;
            if (!Uri.TryCreate(url, UriKind.Absolute, out var given) || given.Host.Length == 0
                || !new[] { "ws", "wss", "http", "https" }.Contains(given.Scheme))
                throw new FormatException("'" + url + "' is not the address of a stream; use one like "
                    + "http://127.0.0.1:8765/");
            if (!streams.Split(',').All(Names.Contains))
                throw new FormatException("unknown stream in '" + streams + "'; use " + string.Join(", ", Names));
            if (!(maxRate >= 0 && maxRate <= HighestRate))
                throw new FormatException("a maximum rate of " + maxRate + " poses per second; use 0 (every pose) to 1000");
            var fields = given.Query.TrimStart('?').Split('&');
            var own = Field(given.Fragment.TrimStart('#').Split('&'), "token") ?? Field(fields, "token");
            var query = "streams=" + streams
                + (maxRate > 0 ? "&max_rate=" + maxRate.ToString("0.###", CultureInfo.InvariantCulture) : "")
                + string.Concat(fields.Where(f => f != "" && !OurFields.Contains(f.Split('=')[0])).Select(f => "&" + f));
            return new StreamAddress(given, query, string.IsNullOrWhiteSpace(token) ? own : token.Trim());
        }

        private static string Field(string[] fields, string name)
        {
            var found = fields.FirstOrDefault(field => field.StartsWith(name + "="));
            return found == null ? null : Uri.UnescapeDataString(found.Substring(name.Length + 1));
        }
    }
}
