using System;
using System.Text;
using System.Threading;

namespace Myocast
{
    public enum StreamState
    {
        /// <summary>Not started, or stopped.</summary>
        Closed,
        Connecting,
        Open,
        /// <summary>The connection was lost or could not be made; the next try comes by itself.</summary>
        Waiting,
        /// <summary>The server said no; trying again would not help.</summary>
        Refused,
    }

    public sealed class StreamOptions
    {
        /// <summary>What `myocast serve` prints, or a ws:// address.</summary>
        public string Url = "http://127.0.0.1:8765/";
        /// <summary>Empty: the one in the address, if any.</summary>
        public string Token = "";
        /// <summary>Comma list of pose, emg, imu, status.</summary>
        public string Streams = "pose";
        /// <summary>Poses per second at most; 0 = every pose.</summary>
        public double MaxRate;
        /// <summary>Binary messages (a third of the size), or JSON.</summary>
        public bool Binary = true;
        public bool Reconnect = true;
        public int OpenTimeoutMs = 5000;
        public int PingIntervalMs = 1000;
        /// <summary>Without a word from the server, answers to pings included, for so long the link is given up.
        /// A paused replay is no silence: its server answers pings.</summary>
        public double SilenceSeconds = 5;
        public int FirstDelayMs = 100;
        public int LongestDelayMs = 1000;
    }

    /// <summary>
    /// A connection to the stream that keeps itself up, on two threads of its own. Poses are taken with TryTake from any
    /// thread; once they flow, nothing is allocated.
    /// </summary>
    public sealed class StreamClient : IDisposable
    {
        private const int PolicyViolation = 1008;
        private readonly StreamOptions options;
        private readonly ManualResetEvent stopping = new ManualResetEvent(false);
        private readonly object gate = new object();
        private readonly Random jitter = new Random();
        private readonly Func<double> clock;
        private WebSocketConnection connection;
        private Thread receiver;
        private Thread heart;
        private volatile StreamState state = StreamState.Closed;

        public StreamClient(StreamOptions options) : this(options, Clock.Now) { }

        /// <param name="clock">Unix seconds that never step back.</param>
        public StreamClient(StreamOptions options, Func<double> clock)
        {
            this.options = options;
            this.clock = clock;
            Session = new StreamSession(clock);
        }

        /// <summary>What came: hello, poses, clock offset, and the events (raised on the receiving thread).</summary>
        public readonly StreamSession Session;

        public StreamState State { get { return state; } }
        /// <summary>Why there is no connection now, in one line; empty while there is one.</summary>
        public string Problem { get; private set; }
        /// <summary>How many connections were made.</summary>
        public int Connections { get; private set; }

        /// <summary>Raised on the receiving thread after every change of State.</summary>
        public event Action<StreamState> StateChanged;

        /// <exception cref="FormatException">The address is none.</exception>
        public void Start()
        {
            if (receiver != null)
                throw new InvalidOperationException("the client was started before");
            StreamAddress.Parse(options.Url, options.Streams, options.MaxRate);
            receiver = new Thread(Run) { IsBackground = true, Name = "Myocast receiver" };
            heart = new Thread(Beat) { IsBackground = true, Name = "Myocast heart" };
            receiver.Start();
            heart.Start();
        }

        /// <summary>Copies the newest pose of an armband if there is one that `taken` does not count yet.</summary>
        public bool TryTake(int device, ref long taken, HandPose into)
        {
            return Session.Poses.TryTake(device, ref taken, into);
        }

        /// <summary>Replaces the subscription, now and after every reconnect. The server answers with a new hello, or
        /// with a fault and no change.</summary>
        public void Subscribe(string streams, double maxRate)
        {
            var text = Encoding.UTF8.GetBytes(StreamSession.Subscription(streams, maxRate));
            lock (gate)
            {
                options.Streams = streams;
                options.MaxRate = maxRate;
                if (connection == null)
                    return;
                try
                {
                    connection.SendText(text, text.Length);
                }
                catch (TransportException)
                {
                    // The receiving thread sees the same loss, and the next connection asks for the new streams.
                }
            }
        }

        /// <summary>Closes the connection and ends both threads.</summary>
        public void Dispose()
        {
            stopping.Set();
            lock (gate)
                if (connection != null)
                    connection.Close();
            Join(receiver);
            Join(heart);
        }

        private static void Join(Thread thread)
        {
            if (thread != null && thread != Thread.CurrentThread)
                thread.Join();
        }

        private void Run()
        {
            var delay = options.FirstDelayMs;
            while (!stopping.WaitOne(0))
            {
                try
                {
                    Become(StreamState.Connecting, Problem);
                    Open();
                    delay = options.FirstDelayMs;
                    Pump();
                    Lose("the server closed the connection");
                }
                catch (RefusedException error)
                {
                    Drop();
                    Become(StreamState.Refused, error.Message);
                    return;
                }
                catch (TransportException error)
                {
                    Lose(error.Message);
                }
                if (!options.Reconnect || stopping.WaitOne(Wait(delay)))
                    break;
                delay = Math.Min(2 * delay, options.LongestDelayMs);
            }
            Become(StreamState.Closed, Problem);
        }

        private int Wait(int delay) { return delay / 2 + jitter.Next(delay / 2 + 1); }

        private void Open()
        {
            string streams;
            double maxRate;
            lock (gate)
            {
                streams = options.Streams;
                maxRate = options.MaxRate;
            }
            var address = StreamAddress.Parse(options.Url, streams, maxRate);
            var token = string.IsNullOrEmpty(options.Token) ? address.Token : options.Token;
            var protocol = options.Binary ? "myocast.v1.binary" : "myocast.v1.json";
            var opened = WebSocketConnection.Open(address.Uri, token, protocol, options.OpenTimeoutMs);
            Session.Begin();
            lock (gate)
                connection = opened;
            if (stopping.WaitOne(0))
                throw new TransportException("the client was stopped");
        }

        private void Pump()
        {
            var open = connection;
            while (open.Receive())
            {
                var kind = Session.Receive(open.Data, open.Offset, open.Count, open.Text);
                if (state == StreamState.Open)
                    continue;
                if (kind != MessageKind.Hello)
                    throw new TransportException("the server does not begin with a hello: it is not Myocast");
                Connections++;
                Become(StreamState.Open, "");
            }
            if (open.CloseCode == PolicyViolation)
                throw new RefusedException(0, "policy", "the server closed the connection: " + open.CloseReason);
        }

        private void Lose(string problem)
        {
            Drop();
            Become(StreamState.Waiting, problem);
        }

        private void Drop()
        {
            lock (gate)
            {
                if (connection != null)
                    connection.Dispose();
                connection = null;
            }
        }

        private void Become(StreamState next, string problem)
        {
            Problem = problem;
            if (state == next)
                return;
            state = next;
            var handler = StateChanged;
            if (handler != null)
                handler(next);
        }

        private void Beat()
        {
            var ping = new byte[64];
            while (!stopping.WaitOne(options.PingIntervalMs))
            {
                lock (gate)
                {
                    if (connection == null)
                        continue;
                    if (clock() - Session.Heard > options.SilenceSeconds)
                        connection.Abort();
                    else
                        Ping(ping);
                }
            }
        }

        private void Ping(byte[] text)
        {
            try
            {
                connection.SendText(text, Session.WritePing(text));
            }
            catch (TransportException)
            {
                // The receiving thread sees the same loss.
            }
        }
    }
}
