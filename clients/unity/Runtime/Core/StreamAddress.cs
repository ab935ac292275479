using System;
using System.Globalization;
using System.Text;

namespace Myocast
{
    /// <summary>The WebSocket address that an address as people have it means, and the token it carries.</summary>
    public sealed class StreamAddress
    {
        public readonly Uri Uri;
        /// <summary>From `#token=` or `?token=`; null without one.</summary>
        public readonly string Token;

        private StreamAddress(Uri uri, string token)
        {
            Uri = uri;
            Token = token;
        }

        /// <param name="url">What `myocast serve` prints (`http://HOST:PORT/#token=T`), or a ws:// address.</param>
        /// <param name="streams">Comma list of pose, emg, imu, status.</param>
        /// <param name="maxRate">Poses per second at most; 0 = every pose.</param>
        /// <exception cref="FormatException">It is no address.</exception>
        public static StreamAddress Parse(string url, string streams, double maxRate)
        {
            Uri given;
            url = (url ?? "").Trim();
            if (url.IndexOf("://", StringComparison.Ordinal) < 0)
                url = "ws://" + url;
            if (!Uri.TryCreate(url, UriKind.Absolute, out given) || Scheme(given.Scheme) == null || given.Host.Length == 0)
                throw new FormatException("'" + url + "' is no address of a stream; give one like http://127.0.0.1:8765/");
            var query = new StringBuilder("streams=" + streams);
            if (maxRate > 0)
                query.Append("&max_rate=").Append(maxRate.ToString("0.###", CultureInfo.InvariantCulture));
            var token = Field(given.Fragment, "token") ?? Field(given.Query, "token");
            foreach (var part in given.Query.TrimStart('?').Split('&'))
                if (part.Length > 0 && !part.StartsWith("token=") && !part.StartsWith("streams=") && !part.StartsWith("max_rate="))
                    query.Append('&').Append(part);
            var path = given.AbsolutePath == "/" ? "/v1/stream" : given.AbsolutePath;
            var port = given.IsDefaultPort ? "" : ":" + given.Port;
            return new StreamAddress(new Uri(Scheme(given.Scheme) + "://" + given.Host + port + path + "?" + query), token);
        }

        private static string Scheme(string scheme)
        {
            if (scheme == "ws" || scheme == "http")
                return "ws";
            return scheme == "wss" || scheme == "https" ? "wss" : null;
        }

        private static string Field(string text, string name)
        {
            foreach (var part in text.TrimStart('?', '#').Split('&'))
                if (part.StartsWith(name + "="))
                    return Uri.UnescapeDataString(part.Substring(name.Length + 1));
            return null;
        }
    }
}
