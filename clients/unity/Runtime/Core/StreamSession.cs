using System;
using System.Text;

namespace Myocast
{
    /// <summary>
    /// What one client knows of the stream, whatever carries it: decodes messages, keeps the newest poses, measures
    /// the clock offset, makes pings and subscriptions. No socket and no thread of its own.
    /// </summary>
    public sealed class StreamSession
    {
        private const int PingsKept = 16;
        private readonly Func<double> clock;
        private readonly MessageDecoder decoder = new MessageDecoder();
        private readonly double[] sent = new double[PingsKept];
        private long pings;

        public StreamSession(Func<double> clock)
        {
            this.clock = clock;
            Heard = clock();
        }

        public readonly PoseSlots Poses = new PoseSlots();
        public readonly ClockOffset Offset = new ClockOffset();

        /// <summary>The newest hello; null before the first.</summary>
        public Hello Hello { get; private set; }
        /// <summary>When the last message came, pongs included.</summary>
        public double Heard { get; private set; }
        public long Messages { get; private set; }
        /// <summary>Messages that did not keep to docs/protocol.md#the-stream.</summary>
        public long Malformed { get; private set; }

        /// <summary>All of these are raised on the thread that calls Receive; they must return at once.</summary>
        public event Action<Hello> HelloReceived;
        public event Action<Status> StatusReceived;
        public event Action<Imu> ImuReceived;
        /// <summary>The object is used again for the next message: Copy() what is to be kept.</summary>
        public event Action<Emg> EmgReceived;
        public event Action<Fault> FaultReceived;
        public event Action<string> ByeReceived;
        /// <summary>Every pose, also those that a slot's reader will never see; the object is used again.</summary>
        public event Action<HandPose> PoseReceived;

        /// <summary>A new connection: silence counts from now.</summary>
        public void Begin() { Heard = clock(); }

        /// <summary>Takes one message as it came.</summary>
        public MessageKind Receive(byte[] data, int offset, int count, bool text)
        {
            Heard = clock();
            Messages++;
            try
            {
                var kind = decoder.Decode(data, offset, count, text);
                Deliver(kind);
                return kind;
            }
            catch (DecodeException)
            {
                Malformed++;
                return MessageKind.Unknown;
            }
        }

        /// <summary>Writes the next ping (text JSON) and returns its length.</summary>
        public int WritePing(byte[] into)
        {
            var id = pings % 1000000000;
            var length = Encoding.ASCII.GetBytes(PingHead, 0, PingHead.Length, into, 0);
            var digits = 1;
            for (var rest = id; rest >= 10; rest /= 10)
                digits++;
            for (var i = digits - 1; i >= 0; i--, id /= 10)
                into[length + i] = (byte)('0' + id % 10);
            into[length + digits] = (byte)'}';
            sent[pings++ % PingsKept] = clock();
            return length + digits + 1;
        }

        private const string PingHead = "{\"type\":\"ping\",\"id\":";

        /// <summary>The message that replaces the subscription.</summary>
        public static string Subscription(string streams, double maxRate)
        {
            var names = "\"" + streams.Replace(",", "\",\"") + "\"";
            var rate = maxRate > 0
                ? ",\"max_rate\":" + maxRate.ToString("0.###", System.Globalization.CultureInfo.InvariantCulture)
                : "";
            return "{\"type\":\"subscribe\",\"streams\":[" + names + "]" + rate + "}";
        }

        private void Deliver(MessageKind kind)
        {
            switch (kind)
            {
                case MessageKind.Pose: DeliverPose(); break;
                case MessageKind.Emg: Raise(EmgReceived, decoder.Emg); break;
                case MessageKind.Imu: Raise(ImuReceived, decoder.Imu); break;
                case MessageKind.Status: Raise(StatusReceived, decoder.Status); break;
                case MessageKind.Fault: Raise(FaultReceived, decoder.Fault); break;
                case MessageKind.Bye: Raise(ByeReceived, decoder.ByeReason); break;
                case MessageKind.Pong: TakePong(); break;
                case MessageKind.Hello:
                    Hello = decoder.Hello;
                    Raise(HelloReceived, Hello);
                    break;
            }
        }

        private void DeliverPose()
        {
            decoder.Pose.Received = Heard;
            Raise(PoseReceived, decoder.Pose);
            decoder.Pose = Poses.Put(decoder.Pose);
        }

        private void TakePong()
        {
            var id = decoder.PongId;
            if (id >= 0 && id < pings && pings - id <= PingsKept)
                Offset.Add(sent[id % PingsKept], Heard, decoder.PongT);
        }

        private static void Raise<T>(Action<T> handler, T value)
        {
            if (handler != null)
                handler(value);
        }
    }
}
