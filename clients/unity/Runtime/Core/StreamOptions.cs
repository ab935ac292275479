namespace Myocast
{
    /// <summary>Whether a client has a connection.</summary>
    public enum StreamState
    {
        /// <summary>Not started, or stopped.</summary>
        Closed,
        /// <summary>A connection is being made.</summary>
        Connecting,
        /// <summary>The server has greeted this client; messages come.</summary>
        Open,
        /// <summary>The connection was lost or could not be made; the next attempt follows without a call.</summary>
        Waiting,
        /// <summary>The server refused this client; another attempt would not help.</summary>
        Refused,
    }

    /// <summary>What to connect to, and how. Set it before the client starts; Subscribe changes it afterwards.</summary>
    public sealed class StreamOptions
    {
        /// <summary>What `myocast serve` prints, or a ws:// address.</summary>
        public string Url = "http://127.0.0.1:8765/";
        /// <summary>The server's access token; empty: the one in the address, if any.</summary>
        public string Token = "";
        /// <summary>Comma list of pose, emg, imu, status.</summary>
        public string Streams = "pose";
        /// <summary>Poses per second at most; 0 = every pose.</summary>
        public double MaxRate;
        /// <summary>Binary messages (a third of the size), or JSON; whether to connect again after a loss.</summary>
        public bool Binary = true, Reconnect = true;
        /// <summary>Milliseconds: for each step of making a connection, and between pings.</summary>
        public int OpenTimeoutMs = 5000, PingIntervalMs = 1000;
        /// <summary>Seconds without any message, after which the connection is given up. The server answers pings, also
        /// while a replay is paused.</summary>
        public double SilenceSeconds = 5;
        /// <summary>Milliseconds before the first new attempt, and at most; the delay doubles with each attempt.</summary>
        public int FirstDelayMs = 100, LongestDelayMs = 1000;

        /// <summary>The subprotocol that these options ask for.</summary>
        public string Subprotocol => Binary ? "myocast.v1.binary" : "myocast.v1.json";

        /// <summary>Where the stream is, with the token to use.</summary>
        /// <exception cref="System.FormatException">The address, the streams or the rate are not valid.</exception>
        public StreamAddress ToAddress() => StreamAddress.Parse(Url, Streams, MaxRate, Token);
    }
}
