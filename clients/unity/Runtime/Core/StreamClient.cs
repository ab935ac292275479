using System;
using System.Threading;
using System.Threading.Tasks;

namespace Myocast
{
    /// <summary>A connection to the stream that is made again whenever it is lost. Its methods may be called from any
    /// thread and return at once. Events are raised on pool threads, one at a time and in order; their handlers must
    /// not block.</summary>
    public sealed class StreamClient : IDisposable
    {
        private readonly StreamOptions options;
        private readonly CancellationTokenSource stop = new CancellationTokenSource();
        private readonly object gate = new object();
        private readonly Random jitter = new Random();
        private volatile StreamConnection connection;
        private volatile StreamState state = StreamState.Closed;

        /// <param name="options">What to connect to, and how.</param>
        public StreamClient(StreamOptions options) { this.options = options; }

        /// <summary>What was received: hello, poses, the server's clock, and an event for each type of message.</summary>
        public readonly StreamSession Session = new StreamSession(Clock.Now);
        /// <summary>Whether there is a connection.</summary>
        public StreamState State => state;
        /// <summary>Why there is no connection now, in one line; empty while there is one.</summary>
        public string ConnectionError { get; private set; } = "";
        /// <summary>How many connections were made so far.</summary>
        public int Connections { get; private set; }
        /// <summary>Ends when the client has stopped, after Dispose or for good. Null before Start.</summary>
        public Task Completion { get; private set; }
        /// <summary>Old name of ConnectionError.</summary>
        [Obsolete("Use ConnectionError; goes with version 0.2")]
        public string Problem => ConnectionError;

        /// <summary>Raised after every change of State.</summary>
        public event Action<StreamState> StateChanged;

        /// <summary>Begins to connect, and returns.</summary>
        /// <exception cref="FormatException">The address, the streams or the rate are not valid.</exception>
        public void Start()
        {
            if (Completion != null)
                throw new InvalidOperationException("the client was started before");
            options.ToAddress();
            using (ExecutionContext.SuppressFlow()) // Else every await would copy the caller's context: 1 KB per message.
                Completion = Task.Run(RunAsync);
        }

        /// <summary>Copies the newest pose of an armband, if it is new; see PoseSlots.</summary>
        public bool TryTake(int device, ref long taken, HandPose into) => Session.Poses.TryTake(device, ref taken, into);

        /// <summary>Replaces the subscription, now and after every reconnect. The server answers with a new hello, or
        /// with a fault, and then nothing changes. See StreamOptions for both values.</summary>
        public void Subscribe(string streams, double maxRate)
        {
            lock (gate)
            {
                options.Streams = streams;
                options.MaxRate = maxRate;
                connection?.SendAsync(StreamSession.Subscription(streams, maxRate));
            }
        }

        /// <summary>Sends a message, text JSON, such as LabelMessage makes; false, and nothing is sent, without a
        /// connection.</summary>
        public bool Send(string message)
        {
            var open = state == StreamState.Open ? connection : null;
            open?.SendAsync(message);
            return open != null;
        }

        /// <summary>Stops the client and returns at once, whatever the network does. The goodbye to the server and the
        /// change of State to Closed follow on a pool thread; Completion ends with them.</summary>
        public void Dispose() => ThreadPool.QueueUserWorkItem(_ => stop.Cancel());

        private async Task RunAsync()
        {
            var delayMs = options.FirstDelayMs;
            while (!stop.IsCancellationRequested)
            {
                Become(StreamState.Connecting, ConnectionError);
                var problem = await ConnectOnceAsync().ConfigureAwait(false);
                if (stop.IsCancellationRequested)
                    break;
                if (state == StreamState.Open)
                    delayMs = options.FirstDelayMs;
                Become(problem.Final ? StreamState.Refused : StreamState.Waiting, problem.Message);
                if (problem.Final)
                    return;
                if (!options.Reconnect)
                    break;
                var jittered = delayMs / 2 + jitter.Next(delayMs / 2 + 1);
                await Task.WhenAny(Task.Delay(jittered, stop.Token)).ConfigureAwait(false);
                delayMs = Math.Min(2 * delayMs, options.LongestDelayMs);
            }
            Become(StreamState.Closed, ConnectionError);
        }

        /// <summary>Connects and receives until the connection ends; returns why it did.</summary>
        private async Task<ConnectionException> ConnectOnceAsync()
        {
            StreamAddress address = null;
            using (var opened = new StreamConnection())
            using (var ended = new CancellationTokenSource())
            {
                try
                {
                    lock (gate)
                        address = options.ToAddress();
                    await opened.OpenAsync(address, options, stop.Token).ConfigureAwait(false);
                    Session.Begin();
                    lock (gate)
                        connection = opened;
                    using (stop.Token.Register(() => opened.CloseAsync()))
                        await Task.WhenAny(ReceiveAsync(opened), PingAsync(opened, ended.Token)).Unwrap()
                            .ConfigureAwait(false);
                    return new ConnectionException("the server closed the connection");
                }
                catch (Exception error) when (error is ConnectionException || error is FormatException)
                {
                    return error as ConnectionException ?? new ConnectionException(error.Message, final: true);
                }
                catch (Exception error) when (StreamConnection.IsLoss(error))
                {
                    var what = connection == null ? "no Myocast stream at " + address.Uri.Authority : "connection lost";
                    return new ConnectionException(what + ": " + error.GetBaseException().Message);
                }
                finally
                {
                    ended.Cancel();
                    lock (gate)
                        connection = null;
                }
            }
        }

        private async Task ReceiveAsync(StreamConnection open)
        {
            while (await open.ReceiveAsync().ConfigureAwait(false))
            {
                if (stop.IsCancellationRequested)
                    continue;
                var kind = Session.Receive(open.Data, 0, open.Count, open.Text);
                if (state == StreamState.Open)
                    continue;
                if (kind != MessageKind.Hello)
                    throw new ConnectionException("the server does not begin with a hello: it is not Myocast");
                Connections++;
                Become(StreamState.Open, "");
            }
        }

        /// <summary>Pings until the connection ends; fails when nothing comes any more.</summary>
        private async Task PingAsync(StreamConnection open, CancellationToken ended)
        {
            for (var sent = Task.CompletedTask; !ended.IsCancellationRequested;)
            {
                if (Clock.Now() - Session.Heard > options.SilenceSeconds)
                    throw new ConnectionException("the server is silent");
                if (sent.IsCompleted)
                    sent = open.SendAsync(Session.NextPing()); // If it fails, the receiver notices, too.
                await Task.WhenAny(Task.Delay(options.PingIntervalMs, ended)).ConfigureAwait(false);
            }
        }

        private void Become(StreamState next, string error)
        {
            ConnectionError = error;
            if (state == next)
                return;
            state = next;
            StateChanged?.Invoke(next);
        }
    }
}
