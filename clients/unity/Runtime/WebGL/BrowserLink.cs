using System;
using System.Threading.Tasks;
using NativeWebSocket;
using UnityEngine;
using UnityEngine.Scripting;

// No other assembly refers to this one, so the linker would leave it out.
[assembly: AlwaysLinkAssembly]

namespace Myocast.Unity
{
    /// <summary>
    /// The stream through NativeWebSocket (1 or 2), for WebGL, where there are neither threads nor sockets. A browser does
    /// not set headers, so the token goes into the address, and does not tell why a server refused. Main thread only.
    /// </summary>
    internal sealed class BrowserLink : IStreamLink
    {
        private readonly StreamOptions options;
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
        }

        [RuntimeInitializeOnLoadMethod(RuntimeInitializeLoadType.BeforeSceneLoad)]
        private static void Register() { StreamLinks.Browser = options => new BrowserLink(options); }

        public StreamSession Session { get; private set; }
        public StreamState State { get; private set; }
        public string ConnectionError { get; private set; } = "";

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
            if (State != StreamState.Open || now < nextPing)
                return;
            if (now - Session.Heard > options.SilenceSeconds)
                Lose("the server is silent", true);
            else
                Send(Session.NextPing());
            nextPing = now + options.PingIntervalMs / 1000.0;
        }

        public void Subscribe(string streams, double maxRate)
        {
            options.Streams = streams;
            options.MaxRate = maxRate;
            if (State == StreamState.Open)
                Send(StreamSession.Subscription(streams, maxRate));
        }

        public bool Send(string message)
        {
            var open = socket;
            if (open == null || State != StreamState.Open)
                return false;
            Try(() => open.SendText(message));
            return true;
        }

        public void Dispose()
        {
            stopped = true;
            Lose("", true);
            State = StreamState.Closed;
        }

        private void Connect()
        {
            var address = options.ToAddress();
            var url = address.Uri.AbsoluteUri;
            if (address.Token != null)
                url += "&token=" + Uri.EscapeDataString(address.Token);
            var opening = new WebSocket(url, options.Subprotocol);
            opening.OnOpen += Session.Begin;
            opening.OnMessage += data => Take(opening, data);
            opening.OnError += problem => ConnectionError = problem;
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
                ConnectionError = "";
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
                ConnectionError = "the server closed the connection for policy";
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
            ConnectionError = problem;
            State = StreamState.Waiting;
            nextTry = Clock.Now() + delay;
            delay = Math.Min(2 * delay, options.LongestDelayMs / 1000.0);
        }

        private void Try(Func<Task> action)
        {
            try
            {
                action(); // In a browser it is done at once; failures later on come as OnError and OnClose.
            }
            catch (WebSocketException error)
            {
                ConnectionError = error.Message;
            }
        }
    }
}
