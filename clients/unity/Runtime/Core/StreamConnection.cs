using System;
using System.IO;
using System.Net;
using System.Net.Sockets;
using System.Net.WebSockets;
using System.Security.Authentication;
using System.Text;
using System.Threading;
using System.Threading.Tasks;

namespace Myocast
{
    /// <summary>There is no connection to the stream; if Final, another attempt would not help.</summary>
    internal sealed class ConnectionException : Exception
    {
        public readonly bool Final;

        public ConnectionException(string message, bool final = false) : base(message) { Final = final; }
    }

    /// <summary>One WebSocket connection. One caller receives; others may send and close meanwhile. Continues on pool
    /// threads. Failures of the network are exceptions that IsLoss knows.</summary>
    internal sealed class StreamConnection : IDisposable
    {
        private const int FirstBufferBytes = 16 * 1024, LongestMessageBytes = 1024 * 1024, CloseTimeoutMs = 1000;
        private readonly ClientWebSocket socket = new ClientWebSocket();
        private Task turn = Task.CompletedTask;

        /// <summary>The last message is the first Count bytes of it.</summary>
        public byte[] Data = new byte[FirstBufferBytes];
        public int Count { get; private set; }
        public bool Text { get; private set; }

        /// <summary>Connects. What takes too long, or is pending when `stop` is cancelled, is abandoned.</summary>
        /// <exception cref="ConnectionException">The server refused, or is not one of this protocol.</exception>
        public async Task OpenAsync(StreamAddress address, StreamOptions options, CancellationToken stop)
        {
            await CheckServerAsync(address, options.OpenTimeoutMs, stop).ConfigureAwait(false);
            socket.Options.AddSubProtocol(options.Subprotocol);
            socket.Options.KeepAliveInterval = TimeSpan.Zero; // Our pings do this, and measure the clock offset.
            if (address.Token != null)
                socket.Options.SetRequestHeader("Authorization", "Bearer " + address.Token);
            var connecting = socket.ConnectAsync(address.Uri, stop);
            await LimitAsync(connecting, options.OpenTimeoutMs, stop, socket.Abort).ConfigureAwait(false);
            if (socket.SubProtocol != options.Subprotocol)
                throw new ConnectionException("the server does not speak " + options.Subprotocol);
        }

        /// <summary>Receives the next message into Data; false when the server has closed the connection.</summary>
        /// <exception cref="ConnectionException">It closed for policy, or sent what is too long.</exception>
        public async Task<bool> ReceiveAsync()
        {
            Count = 0;
            while (true)
            {
                var free = new ArraySegment<byte>(Data, Count, Data.Length - Count);
                var part = await socket.ReceiveAsync(free, CancellationToken.None).ConfigureAwait(false);
                if (part.MessageType == WebSocketMessageType.Close)
                {
                    await SendCloseAsync().ConfigureAwait(false);
                    if (socket.CloseStatus == WebSocketCloseStatus.PolicyViolation)
                        throw new ConnectionException("the server refused: " + socket.CloseStatusDescription, final: true);
                    return false;
                }
                Count += part.Count;
                Text = part.MessageType == WebSocketMessageType.Text;
                if (part.EndOfMessage)
                    return true;
                if (Count == LongestMessageBytes)
                    throw new ConnectionException("the server sent a message of more than " + Count + " bytes");
                if (Count == Data.Length)
                    Array.Resize(ref Data, 2 * Count);
            }
        }

        /// <summary>Sends a text message, after those that are being sent.</summary>
        public Task SendAsync(string text)
        {
            var bytes = new ArraySegment<byte>(Encoding.UTF8.GetBytes(text));
            return InTurnAsync(() => socket.SendAsync(bytes, WebSocketMessageType.Text, true, CancellationToken.None));
        }

        /// <summary>Sends a close frame. The pending receive ends with the server's answer, or after a second.</summary>
        public async Task CloseAsync()
        {
            await Task.WhenAll(Task.WhenAny(SendCloseAsync()), Task.Delay(CloseTimeoutMs)).ConfigureAwait(false);
            socket.Abort();
        }

        /// <summary>Ends the connection at once; a pending receive or send fails.</summary>
        public void Dispose() => socket.Dispose();

        public static bool IsLoss(Exception error) =>
            error is WebSocketException || error is WebException || error is IOException || error is SocketException
            || error is AuthenticationException || error is ObjectDisposedException || error is OperationCanceledException;

        private Task SendCloseAsync() =>
            InTurnAsync(() => socket.CloseOutputAsync(WebSocketCloseStatus.NormalClosure, "", CancellationToken.None));

        /// <summary>A WebSocket sends one message at a time.</summary>
        private Task InTurnAsync(Func<Task> send)
        {
            lock (socket)
                return turn = turn.ContinueWith(_ => send(), TaskScheduler.Default).Unwrap();
        }

        /// <summary>Asks for the server's status before a handshake. The answer says why a handshake would be refused,
        /// which ClientWebSocket does not; and a question that is never answered can be aborted, which a handshake
        /// cannot.</summary>
        private static async Task CheckServerAsync(StreamAddress address, int timeoutMs, CancellationToken stop)
        {
            var request = (HttpWebRequest)WebRequest.Create(address.Status);
            request.Proxy = null;
            request.KeepAlive = false;
            if (address.Token != null)
                request.Headers["Authorization"] = "Bearer " + address.Token;
            try
            {
                var answer = request.GetResponseAsync();
                await LimitAsync(answer, timeoutMs, stop, request.Abort).ConfigureAwait(false);
                answer.Result.Close();
            }
            catch (WebException error) when (error.Response is HttpWebResponse)
            {
                ThrowIfRefused((HttpWebResponse)error.Response);
            }
        }

        private static void ThrowIfRefused(HttpWebResponse response)
        {
            var status = (int)response.StatusCode;
            if (status != 400 && status != 401 && status != 403)
                return; // Perhaps a proxy lets only the stream through.
            var message = "the server answered " + status;
            try
            {
                using (var body = new StreamReader(response.GetResponseStream()))
                    message = JsonMessage.Parse(body.ReadToEnd()).TextOrNull("error.message") ?? message;
            }
            catch (DecodeException) { } // Another kind of server; only its status is known.
            throw new ConnectionException(message, final: true);
        }

        private static async Task LimitAsync(Task task, int limitMs, CancellationToken stop, Action abandon)
        {
            if (await Task.WhenAny(task, Task.Delay(limitMs, stop)).ConfigureAwait(false) != task)
            {
                abandon();
                throw new ConnectionException("no answer within " + limitMs / 1000.0 + " s");
            }
            await task.ConfigureAwait(false);
        }
    }
}
