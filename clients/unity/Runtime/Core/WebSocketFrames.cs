using System;

namespace Myocast
{
    /// <summary>The connection failed or broke a rule of its protocol; another try may go better.</summary>
    public sealed class TransportException : Exception
    {
        public TransportException(string message) : base(message) { }
    }

    public enum Opcode { Continuation = 0, Text = 1, Binary = 2, Close = 8, Ping = 9, Pong = 10 }

    /// <summary>
    /// Cuts a byte stream from a WebSocket server into messages (RFC 6455, section 5). Bytes in, messages out: no
    /// socket. A message that came in one frame is handed out where it lies; nothing is copied or allocated.
    /// </summary>
    public sealed class WebSocketFrames
    {
        private const int First = 16 * 1024;
        private readonly int limit;
        private byte[] buffer = new byte[First];
        private byte[] joined = new byte[0];
        private int start;
        private int end;
        private int joinedCount;
        private Opcode joinedAs;

        /// <param name="limit">The longest message that is taken, in bytes.</param>
        public WebSocketFrames(int limit) { this.limit = limit; }

        /// <summary>The message's bytes after Next said true; good until the next call.</summary>
        public byte[] Data { get; private set; }
        public int Offset { get; private set; }
        public int Count { get; private set; }
        public Opcode Kind { get; private set; }

        /// <summary>Where to read bytes to: Buffer from Free, at most Room of them.</summary>
        public byte[] Buffer { get { return buffer; } }
        public int Free { get { return end; } }
        public int Room { get { return buffer.Length - end; } }

        /// <summary>Says how many bytes were written to Buffer at Free.</summary>
        public void Commit(int count) { end += count; }

        /// <summary>The next message or control frame, if one is complete; else there is room to read more.</summary>
        /// <exception cref="TransportException">The server broke a rule.</exception>
        public bool Next()
        {
            int header, length;
            while (Complete(out header, out length))
            {
                var head = buffer[start];
                Data = buffer;
                Offset = start + header;
                Count = length;
                start += header + length;
                if (Take(head))
                    return true;
            }
            MakeRoom(header + length);
            return false;
        }

        private bool Complete(out int header, out int length)
        {
            header = 2;
            length = 0;
            var have = end - start;
            if (have < 2)
                return false;
            if ((buffer[start] & 0x70) != 0 || (buffer[start + 1] & 0x80) != 0)
                throw new TransportException("the server sent a frame with reserved bits or a mask");
            var size = (long)(buffer[start + 1] & 0x7F);
            header = size == 126 ? 4 : size == 127 ? 10 : 2;
            if (have < header)
                return false;
            if (header > 2)
                size = BigEndian(start + 2, header - 2);
            if (size < 0 || size > limit)
                throw new TransportException("the server sent a message of more than " + limit + " bytes");
            length = (int)size;
            return have >= header + length;
        }

        private long BigEndian(int at, int count)
        {
            long value = 0;
            for (var i = 0; i < count; i++)
                value = value << 8 | buffer[at + i];
            return value;
        }

        private bool Take(byte head)
        {
            var final = (head & 0x80) != 0;
            var kind = (Opcode)(head & 0x0F);
            if (kind >= Opcode.Close)
            {
                if (!final || Count > 125 || kind > Opcode.Pong)
                    throw new TransportException("the server sent a control frame that is none");
                Kind = kind;
                return true;
            }
            if (kind > Opcode.Binary || (kind == Opcode.Continuation) == (joinedAs == Opcode.Continuation))
                throw new TransportException("the server sent a frame out of turn");
            if (final && kind != Opcode.Continuation)
            {
                Kind = kind;
                return true;
            }
            return Join(kind, final);
        }

        private bool Join(Opcode kind, bool final)
        {
            if (kind != Opcode.Continuation)
                joinedAs = kind;
            if (joinedCount + Count > limit)
                throw new TransportException("the server sent a message of more than " + limit + " bytes");
            if (joined.Length < joinedCount + Count)
                Array.Resize(ref joined, Math.Min(limit, 2 * (joinedCount + Count)));
            System.Buffer.BlockCopy(Data, Offset, joined, joinedCount, Count);
            joinedCount += Count;
            if (!final)
                return false;
            Kind = joinedAs;
            Data = joined;
            Offset = 0;
            Count = joinedCount;
            joinedAs = Opcode.Continuation;
            joinedCount = 0;
            return true;
        }

        private void MakeRoom(int needed)
        {
            var have = end - start;
            if (start > 0)
            {
                System.Buffer.BlockCopy(buffer, start, buffer, 0, have);
                start = 0;
                end = have;
            }
            if (buffer.Length < needed)
                Array.Resize(ref buffer, Math.Max(needed, 2 * buffer.Length));
        }
    }
}
