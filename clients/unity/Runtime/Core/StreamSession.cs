using System;
using System.Globalization;
using System.Text;

namespace Myocast
{
    /// <summary>The type of a message from the server; Unknown for one that this client does not know.</summary>
    public enum MessageKind { Unknown, Pose, Emg, Imu, Status, Hello, Bye, Pong, Fault }

    /// <summary>What one client knows of the stream, whatever transports it: decodes messages, keeps the newest poses,
    /// measures the clock offset, makes pings and subscriptions. It has no socket and no thread; Receive is called by
    /// one thread at a time and raises the events on it. Poses and the times may be read from any thread.</summary>
    public sealed class StreamSession
    {
        private const int PingsKept = 16;
        private readonly Func<double> clock;
        private readonly Emg emg = new Emg();
        private readonly ClockOffsetEstimator offset = new ClockOffsetEstimator();
        private readonly double[] sent = new double[PingsKept];
        private HandPose pose = new HandPose();
        private long pings;

        /// <param name="clock">Unix seconds that never step back.</param>
        public StreamSession(Func<double> clock)
        {
            this.clock = clock;
            Heard = clock();
        }

        /// <summary>The newest pose of each armband.</summary>
        public readonly PoseSlots Poses = new PoseSlots();
        /// <summary>The newest hello; null before the first.</summary>
        public Hello Hello { get; private set; }
        /// <summary>When the last message came, answers to pings included; Unix seconds on this computer's clock.</summary>
        public double Heard { get; private set; }
        /// <summary>How many messages came.</summary>
        public long Messages { get; private set; }
        /// <summary>How many of them did not keep to docs/protocol.md#the-stream and were ignored.</summary>
        public long Malformed { get; private set; }
        /// <summary>The server's clock minus this computer's, seconds; null before the first answer to a ping.</summary>
        public double? ClockOffset => offset.Known ? offset.Seconds : (double?)null;
        /// <summary>Unix seconds on the server's clock; null before the first answer to a ping.</summary>
        public double? ServerNow => clock() + ClockOffset;

        /// <summary>Old name of ClockOffset.</summary>
        [Obsolete("Use ClockOffset; goes with version 0.2")]
        public ClockOffsetEstimator Offset => offset;

        /// <summary>A hello: the first message, and again after every change in it.</summary>
        public event Action<Hello> HelloReceived;
        /// <summary>The state of an armband and of this connection.</summary>
        public event Action<Status> StatusReceived;
        /// <summary>An inertial sample.</summary>
        public event Action<Imu> ImuReceived;
        /// <summary>EMG samples. The object is filled again by the next message: keep a Copy().</summary>
        public event Action<Emg> EmgReceived;
        /// <summary>The server could not use a message of this client.</summary>
        public event Action<Fault> FaultReceived;
        /// <summary>The server is about to close the connection, for this reason.</summary>
        public event Action<string> ByeReceived;
        /// <summary>Every pose, also those that are replaced in their slot before they are taken. The object is filled
        /// again by a later message.</summary>
        public event Action<HandPose> PoseReceived;

        /// <summary>Tells that a new connection begins: silence counts from now.</summary>
        public void Begin() => Heard = clock();

        /// <summary>Takes one message, `count` bytes of `data` from `start`, binary or text as it came.</summary>
        public MessageKind Receive(byte[] data, int start, int count, bool text)
        {
            Heard = clock();
            Messages++;
            try
            {
                return text ? ReceiveText(data, start, count) : ReceiveBinary(data, start, count);
            }
            catch (DecodeException)
            {
                Malformed++;
                return MessageKind.Unknown;
            }
        }

        /// <summary>Seconds from a pose's newest EMG sample to now, both on the server's clock; null before the first
        /// answer to a ping. See HandPose.AgeMs for the part of it that passed in the server.</summary>
        public double? Latency(HandPose pose) => ServerNow - pose.T;

        /// <summary>The next ping to send, text JSON.</summary>
        public string NextPing()
        {
            var id = pings++;
            sent[id % PingsKept] = clock();
            return "{\"type\":\"ping\",\"id\":" + id + "}";
        }

        /// <summary>The message that replaces the subscription, text JSON. See StreamOptions for both values.</summary>
        public static string Subscription(string streams, double maxRate)
        {
            var names = "\"" + streams.Replace(",", "\",\"") + "\"";
            var rate = maxRate > 0 ? ",\"max_rate\":" + maxRate.ToString("0.###", CultureInfo.InvariantCulture) : "";
            return "{\"type\":\"subscribe\",\"streams\":[" + names + "]" + rate + "}";
        }

        private MessageKind ReceiveBinary(byte[] data, int start, int count)
        {
            switch (BinaryMessage.Kind(data, start, count))
            {
                case MessageKind.Pose: BinaryMessage.ReadPose(data, start, count, pose); return DeliverPose();
                case MessageKind.Emg: BinaryMessage.ReadEmg(data, start, count, emg); return DeliverEmg();
                default: return MessageKind.Unknown;
            }
        }

        private MessageKind ReceiveText(byte[] data, int start, int count)
        {
            var message = JsonMessage.Parse(Encoding.UTF8.GetString(data, start, count));
            switch (message.TextOrNull("type"))
            {
                case "pose": message.ReadPose(pose); return DeliverPose();
                case "emg": message.ReadEmg(emg); return DeliverEmg();
                case "hello": Hello = message.ReadHello(); HelloReceived?.Invoke(Hello); return MessageKind.Hello;
                case "pong": MeasureOffset(message.WholeOrMinusOne("id"), message.Number("t")); return MessageKind.Pong;
                case "imu": ImuReceived?.Invoke(message.ReadImu()); return MessageKind.Imu;
                case "status": StatusReceived?.Invoke(message.ReadStatus()); return MessageKind.Status;
                case "error": FaultReceived?.Invoke(message.ReadFault()); return MessageKind.Fault;
                case "bye": ByeReceived?.Invoke(message.Text("reason")); return MessageKind.Bye;
                case null: throw new DecodeException("a message without a type");
                default: return MessageKind.Unknown;
            }
        }

        private MessageKind DeliverPose()
        {
            pose.Received = Heard;
            PoseReceived?.Invoke(pose);
            pose = Poses.Put(pose);
            return MessageKind.Pose;
        }

        private MessageKind DeliverEmg() { EmgReceived?.Invoke(emg); return MessageKind.Emg; }

        private void MeasureOffset(long id, double server)
        {
            if (id >= 0 && id < pings && pings - id <= PingsKept)
                offset.Add(sent[id % PingsKept], Heard, server);
        }
    }
}
