#if MYOCAST_NATIVEWEBSOCKET
using System;
using System.Text;
using System.Threading.Tasks;
using NativeWebSocket;

namespace Myocast.Unity
{
    /// <summary>
    /// The stream through NativeWebSocket, for WebGL, where there are neither threads nor sockets. A browser cannot set
    /// headers, so the token goes into the address, and does not tell why a server refused.
    /// </summary>
    internal sealed class BrowserLink : IStreamLink
    {
        private readonly StreamOptions options;
        private readonly byte[] ping = new byte[64];
        private WebSocket socket;
        private double nextTry;
        private double nextPing;
        private double delay;
        private bool stopped;

        public BrowserLink(StreamOptions options)
        {
            this.options = options;
            Session = new StreamSession(Clock.Now);
            delay = options.FirstDelayMs / 1000.0;
            Problem = "";
        }

        public StreamSession Session { get; private set; }
        public StreamState State { get; private set; }
        public string Problem { get; private set; }

        public void Start() { Connect(); }

        public void Poll()
        {
            var now = Clock.Now();
            if (socket == null)
            {
                if (!stopped && options.Reconnect && State == StreamState.Waiting && now >= nextTry)
                    Connect();
                return;
            }
#if !UNITY_WEBGL || UNITY_EDITOR
            socket.DispatchMessageQueue();
#endif
            if (State != StreamState.Open || now < nextPing)
                return;
            if (now - Session.Heard > options.SilenceSeconds)
                Lose("the server is silent", true);
            else
                Send(Encoding.ASCII.GetString(ping, 0, Session.WritePing(ping)));
            nextPing = now + options.PingIntervalMs / 1000.0;
        }

        public void Subscribe(string streams, double maxRate)
        {
            options.Streams = streams;
            options.MaxRate = maxRate;
            if (State == StreamState.Open)
                Send(StreamSession.Subscription(streams, maxRate));
        }

        public void Dispose()
        {
            stopped = true;
            Lose("", true);
            State = StreamState.Closed;
        }

        private void Connect()
        {
            var address = StreamAddress.Parse(options.Url, options.Streams, options.MaxRate);
            var token = string.IsNullOrEmpty(options.Token) ? address.Token : options.Token;
            var url = address.Uri.AbsoluteUri;
            if (!string.IsNullOrEmpty(token))
                url += "&token=" + Uri.EscapeDataString(token);
            var opening = new WebSocket(url, options.Binary ? "myocast.v1.binary" : "myocast.v1.json");
            opening.OnOpen += Session.Begin;
            opening.OnMessage += data => Take(opening, data);
            opening.OnError += problem => Problem = problem;
            opening.OnClose += code => Close(opening, (int)code);
            socket = opening;
            State = StreamState.Connecting;
            Try(opening.Connect);
        }

        private void Take(WebSocket from, byte[] data)
        {
            if (from != socket || data.Length == 0)
                return;
            // NativeWebSocket does not say whether a message was text; JSON begins with a brace, no record does.
            var kind = Session.Receive(data, 0, data.Length, data[0] == (byte)'{');
            if (kind == MessageKind.Hello && State != StreamState.Open)
            {
                delay = options.FirstDelayMs / 1000.0;
                Problem = "";
                State = StreamState.Open;
            }
        }

        private void Close(WebSocket from, int code)
        {
            if (from != socket)
                return;
            if (code == 1008)
            {
                socket = null;
                Problem = "the server closed the connection for policy";
                State = StreamState.Refused;
                return;
            }
            Lose(State == StreamState.Open ? "the connection was lost" : "the server did not take the connection", false);
        }

        private void Lose(string problem, bool close)
        {
            var lost = socket;
            socket = null;
            if (close && lost != null)
                Try(() => lost.Close());
            Problem = problem;
            State = StreamState.Waiting;
            nextTry = Clock.Now() + delay;
            delay = Math.Min(2 * delay, options.LongestDelayMs / 1000.0);
        }

        private void Send(string text)
        {
            var open = socket;
            Try(() => open.SendText(text));
        }

        private void Try(Func<Task> action)
        {
            try
            {
                // In a browser all of these are done at once; elsewhere a failure shows as OnError and OnClose, too.
                action().ContinueWith(done => { if (done.Exception != null) Problem = done.Exception.GetBaseException().Message; });
            }
            catch (WebSocketException error)
            {
                Problem = error.Message;
            }
        }
    }
}
#endif
