using System;
using System.Collections.Generic;
using System.IO;
using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Authentication;
using System.Security.Cryptography;
using System.Text;
using System.Threading;

namespace Myocast
{
    /// <summary>The server will not serve this client: wrong token (401), origin (403) or parameters (400).</summary>
    public sealed class RefusedException : Exception
    {
        /// <summary>The HTTP status, or 0 where an open connection was closed for policy.</summary>
        public readonly int Status;
        public readonly string Code;

        public RefusedException(int status, string code, string message) : base(message)
        {
            Status = status;
            Code = code;
        }
    }

    /// <summary>
    /// A WebSocket client over a plain socket (RFC 6455). System.Net.WebSockets.ClientWebSocket would hide why a server
    /// refused, and allocates for every message; this one reads on the caller's thread into one buffer.
    /// </summary>
    public sealed class WebSocketConnection : IDisposable
    {
        private const int HeaderLimit = 16 * 1024, BodyLimit = 4096, MessageLimit = 1024 * 1024, SendTimeoutMs = 5000;
        private const string Magic = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
        private readonly Socket socket;
        private readonly Stream stream;
        private readonly WebSocketFrames frames = new WebSocketFrames(MessageLimit);
        private readonly object sending = new object();
        private readonly RandomNumberGenerator random = RandomNumberGenerator.Create();
        private readonly byte[] mask = new byte[4];
        private byte[] outgoing = new byte[256];
        private bool closeSent;

        private WebSocketConnection(Socket socket, Stream stream)
        {
            this.socket = socket;
            this.stream = stream;
        }

        public byte[] Data { get { return frames.Data; } }
        public int Offset { get { return frames.Offset; } }
        public int Count { get { return frames.Count; } }
        public bool Text { get { return frames.Kind == Opcode.Text; } }
        /// <summary>The server's close code after Receive said false; 1006 if it gave none.</summary>
        public int CloseCode { get; private set; }
        public string CloseReason { get; private set; }

        /// <summary>Connects and shakes hands, within the time given.</summary>
        /// <exception cref="RefusedException">The server said no, with its own words.</exception>
        /// <exception cref="TransportException">Nobody is there, or nobody who speaks this protocol.</exception>
        public static WebSocketConnection Open(Uri uri, string token, string subprotocol, int timeoutMs)
        {
            var secure = uri.Scheme == "wss";
            var port = uri.Port > 0 ? uri.Port : secure ? 443 : 80;
            var socket = Connect(uri.DnsSafeHost, port, timeoutMs);
            try
            {
                socket.NoDelay = true;
                socket.ReceiveTimeout = socket.SendTimeout = timeoutMs;
                Stream stream = new NetworkStream(socket, true);
                if (secure)
                {
                    var tls = new SslStream(stream, false);
                    tls.AuthenticateAsClient(uri.DnsSafeHost);
                    stream = tls;
                }
                var connection = new WebSocketConnection(socket, stream);
                connection.ShakeHands(uri, token, subprotocol);
                socket.ReceiveTimeout = 0;
                socket.SendTimeout = SendTimeoutMs;
                return connection;
            }
            catch (Exception error) when (IsLoss(error))
            {
                socket.Close();
                throw new TransportException("no answer from " + uri.Host + ":" + port + ": " + error.Message);
            }
            catch
            {
                socket.Close();
                throw;
            }
        }

        /// <summary>Waits for the next message; false when the server has closed. Pings are answered on the way.</summary>
        /// <exception cref="TransportException">The connection was lost.</exception>
        public bool Receive()
        {
            try
            {
                while (true)
                {
                    while (!frames.Next())
                    {
                        var read = stream.Read(frames.Buffer, frames.Free, frames.Room);
                        if (read <= 0)
                            throw new TransportException("the connection was lost");
                        frames.Commit(read);
                    }
                    if (frames.Kind == Opcode.Text || frames.Kind == Opcode.Binary)
                        return true;
                    if (frames.Kind == Opcode.Ping)
                        Send(Opcode.Pong, frames.Data, frames.Offset, frames.Count);
                    else if (frames.Kind == Opcode.Close)
                        return TakeClose();
                }
            }
            catch (Exception error) when (IsLoss(error))
            {
                throw new TransportException("the connection was lost: " + error.Message);
            }
        }

        /// <summary>Sends a text message; may be called from any thread.</summary>
        /// <exception cref="TransportException">The connection was lost.</exception>
        public void SendText(byte[] text, int count)
        {
            try
            {
                Send(Opcode.Text, text, 0, count);
            }
            catch (Exception error) when (IsLoss(error))
            {
                throw new TransportException("the connection was lost: " + error.Message);
            }
        }

        /// <summary>Says goodbye (1000) and ends the connection; a waiting Receive returns or throws.</summary>
        public void Close()
        {
            try
            {
                SendClose(1000);
            }
            catch (Exception error) when (IsLoss(error))
            {
                // It is gone already, which is what was wanted.
            }
            Abort();
        }

        /// <summary>Ends the connection without a word; a waiting Receive throws.</summary>
        public void Abort()
        {
            try
            {
                socket.Shutdown(SocketShutdown.Both);
            }
            catch (Exception error) when (IsLoss(error))
            {
                // Not connected any more.
            }
            socket.Close();
        }

        public void Dispose()
        {
            Abort();
            random.Dispose();
        }

        private static bool IsLoss(Exception error)
        {
            return error is IOException || error is SocketException || error is ObjectDisposedException
                || error is AuthenticationException;
        }

        private static Socket Connect(string host, int port, int timeoutMs)
        {
            var reason = "it has no address";
            foreach (var address in Resolve(host, ref reason))
            {
                var socket = new Socket(address.AddressFamily, SocketType.Stream, ProtocolType.Tcp);
                try
                {
                    var attempt = socket.BeginConnect(new IPEndPoint(address, port), null, null);
                    if (attempt.AsyncWaitHandle.WaitOne(timeoutMs))
                    {
                        socket.EndConnect(attempt);
                        return socket;
                    }
                    reason = "it does not answer";
                }
                catch (SocketException error)
                {
                    reason = error.Message;
                }
                socket.Close();
            }
            throw new TransportException("no Myocast stream at " + host + ":" + port + ": " + reason);
        }

        private static IEnumerable<IPAddress> Resolve(string host, ref string reason)
        {
            IPAddress literal;
            if (IPAddress.TryParse(host, out literal))
                return new[] { literal };
            try
            {
                return Dns.GetHostAddresses(host);
            }
            catch (SocketException error)
            {
                reason = error.Message;
                return new IPAddress[0];
            }
        }

        private void ShakeHands(Uri uri, string token, string subprotocol)
        {
            var nonce = new byte[16];
            random.GetBytes(nonce);
            var key = Convert.ToBase64String(nonce);
            var request = new StringBuilder();
            request.Append("GET ").Append(uri.PathAndQuery).Append(" HTTP/1.1\r\n");
            request.Append("Host: ").Append(uri.Authority).Append("\r\n");
            request.Append("Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n");
            request.Append("Sec-WebSocket-Key: ").Append(key).Append("\r\n");
            request.Append("Sec-WebSocket-Protocol: ").Append(subprotocol).Append("\r\n");
            if (!string.IsNullOrEmpty(token))
                request.Append("Authorization: Bearer ").Append(token.Replace("\r", "").Replace("\n", "")).Append("\r\n");
            var bytes = Encoding.UTF8.GetBytes(request.Append("\r\n").ToString());
            stream.Write(bytes, 0, bytes.Length);
            CheckAnswer(ReadHeader(), key, subprotocol);
        }

        private string ReadHeader()
        {
            var header = new List<byte>(512);
            var one = new byte[1];
            while (header.Count < HeaderLimit)
            {
                // Byte by byte, so that nothing of the first message is taken.
                if (stream.Read(one, 0, 1) != 1)
                    throw new TransportException("the server closed the connection instead of answering");
                header.Add(one[0]);
                var n = header.Count;
                if (n >= 4 && header[n - 1] == '\n' && header[n - 2] == '\r' && header[n - 3] == '\n')
                    return Encoding.UTF8.GetString(header.ToArray());
            }
            throw new TransportException("the server's answer has no end");
        }

        private void CheckAnswer(string header, string key, string subprotocol)
        {
            var lines = header.Split(new[] { "\r\n" }, StringSplitOptions.RemoveEmptyEntries);
            var words = lines[0].Split(' ');
            int status;
            if (words.Length < 2 || !words[0].StartsWith("HTTP/1.") || !int.TryParse(words[1], out status))
                throw new TransportException("what answers there speaks no HTTP");
            if (status != 101)
                Refuse(status, Header(lines, "Content-Length"));
            string expected;
            using (var sha1 = SHA1.Create())
                expected = Convert.ToBase64String(sha1.ComputeHash(Encoding.ASCII.GetBytes(key + Magic)));
            if (Header(lines, "Sec-WebSocket-Accept") != expected)
                throw new TransportException("what answers there is no WebSocket server");
            if (Header(lines, "Sec-WebSocket-Protocol") != subprotocol)
                throw new TransportException("what answers there does not speak " + subprotocol);
        }

        private void Refuse(int status, string length)
        {
            string code = "", message = "the server answered " + status;
            int count;
            if (int.TryParse(length, out count) && count > 0 && count <= BodyLimit)
                ReadError(count, ref code, ref message);
            if (status == 400 || status == 401 || status == 403)
                throw new RefusedException(status, code, message);
            throw new TransportException(message);
        }

        private void ReadError(int count, ref string code, ref string message)
        {
            var body = new byte[count];
            var have = 0;
            int read;
            while (have < count && (read = stream.Read(body, have, count - have)) > 0)
                have += read;
            try
            {
                var json = new JsonReader();
                json.Reset(body, 0, have);
                for (json.BeginObject(); json.NextKey();)
                {
                    if (!json.KeyIs("error"))
                    {
                        json.Skip();
                        continue;
                    }
                    for (json.BeginObject(); json.NextKey();)
                    {
                        if (json.KeyIs("code")) code = json.Text();
                        else if (json.KeyIs("message")) message = json.Text();
                        else json.Skip();
                    }
                }
            }
            catch (DecodeException)
            {
                // Some other server's page: the status says enough.
            }
        }

        private static string Header(string[] lines, string name)
        {
            foreach (var line in lines)
            {
                var colon = line.IndexOf(':');
                if (colon == name.Length && line.StartsWith(name, StringComparison.OrdinalIgnoreCase))
                    return line.Substring(colon + 1).Trim();
            }
            return null;
        }

        private bool TakeClose()
        {
            CloseCode = Count >= 2 ? Data[Offset] << 8 | Data[Offset + 1] : 1005;
            CloseReason = Count > 2 ? Encoding.UTF8.GetString(Data, Offset + 2, Count - 2) : "";
            SendClose(CloseCode == 1005 ? 1000 : CloseCode);
            return false;
        }

        private void SendClose(int code)
        {
            lock (sending)
            {
                if (closeSent)
                    return;
                closeSent = true;
            }
            Send(Opcode.Close, new[] { (byte)(code >> 8), (byte)code }, 0, 2);
        }

        private void Send(Opcode kind, byte[] payload, int offset, int count)
        {
            lock (sending)
            {
                var header = count < 126 ? 6 : 8;
                if (count > 65535)
                    throw new ArgumentOutOfRangeException("count");
                if (outgoing.Length < header + count)
                    outgoing = new byte[header + count];
                random.GetBytes(mask);
                outgoing[0] = (byte)(0x80 | (int)kind);
                outgoing[1] = (byte)(0x80 | (count < 126 ? count : 126));
                if (count >= 126)
                {
                    outgoing[2] = (byte)(count >> 8);
                    outgoing[3] = (byte)count;
                }
                Buffer.BlockCopy(mask, 0, outgoing, header - 4, 4);
                for (var i = 0; i < count; i++)
                    outgoing[header + i] = (byte)(payload[offset + i] ^ mask[i & 3]);
                stream.Write(outgoing, 0, header + count);
            }
        }
    }
}
