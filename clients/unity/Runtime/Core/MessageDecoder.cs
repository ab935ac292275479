using System;
using System.Collections.Generic;

namespace Myocast
{
    public enum MessageKind { Unknown, Pose, Emg, Imu, Status, Hello, Bye, Pong, Fault }

    /// <summary>
    /// Decodes messages of `myocast.v1`, binary and text. Bytes in, values out: no socket, no thread.
    /// What a message says is in the property of its kind until the next one of that kind; poses and EMG are
    /// decoded without allocating.
    /// </summary>
    public sealed class MessageDecoder
    {
        private const int PoseBytes = 296, TruthBytes = 548, EmgHead = 32;
        private const int LeftFlag = 1, HeldFlag = 2, GapFlag = 4, TruthFlag = 8, ConfidenceFlag = 16;
        private readonly JsonReader json = new JsonReader();
        private readonly float[] one = new float[1];

        public HandPose Pose = new HandPose();
        public readonly Emg Emg = new Emg();
        public Imu Imu { get; private set; }
        public Status Status { get; private set; }
        public Hello Hello { get; private set; }
        public Fault Fault { get; private set; }
        public string ByeReason { get; private set; }
        /// <summary>The id of the last pong, -1 if it was no integer.</summary>
        public long PongId { get; private set; }
        public double PongT { get; private set; }

        /// <summary>Decodes one message; Unknown for a kind this client does not know, which is no error.</summary>
        /// <exception cref="DecodeException">It does not keep to the contract.</exception>
        public MessageKind Decode(byte[] data, int offset, int count, bool text)
        {
            try
            {
                return text ? DecodeText(data, offset, count) : DecodeBinary(data, offset, count);
            }
            catch (Exception error) when (error is IndexOutOfRangeException || error is ArgumentException)
            {
                throw new DecodeException("not a message of myocast.v1: it is cut short");
            }
        }

        private MessageKind DecodeBinary(byte[] data, int offset, int count)
        {
            if (count < 2)
                throw new DecodeException("a binary message has at least two bytes");
            if (data[offset + 1] != 1)
                return MessageKind.Unknown;
            if (data[offset] == 1)
                return BinaryPose(data, offset, count);
            return data[offset] == 2 ? BinaryEmg(data, offset, count) : MessageKind.Unknown;
        }

        private MessageKind BinaryPose(byte[] data, int offset, int count)
        {
            var flags = count < 4 ? 0 : data[offset + 2] | data[offset + 3] << 8;
            if (count != ((flags & TruthFlag) != 0 ? TruthBytes : PoseBytes))
                throw new DecodeException("a pose of " + count + " bytes with flags " + flags);
            var pose = Pose;
            pose.Left = (flags & LeftFlag) != 0;
            pose.Held = (flags & HeldFlag) != 0;
            pose.Gap = (flags & GapFlag) != 0;
            pose.HasTruth = (flags & TruthFlag) != 0;
            pose.HasConfidence = (flags & ConfidenceFlag) != 0;
            pose.Seq = (uint)UInt(data, offset + 4, 4);
            pose.Sample = UInt(data, offset + 8, 8);
            pose.T = Double(data, offset + 16);
            pose.AgeMs = Float(data, offset + 24);
            pose.InferMs = Float(data, offset + 28);
            pose.Skipped = (uint)UInt(data, offset + 32, 4);
            pose.Device = data[offset + 36];
            pose.Confidence = pose.HasConfidence ? Float(data, offset + 292) : 0f;
            Floats(data, offset + 40, pose.Joints, Hand.Values);
            if (pose.HasTruth)
                Floats(data, offset + 296, pose.Truth, Hand.Values);
            return MessageKind.Pose;
        }

        private MessageKind BinaryEmg(byte[] data, int offset, int count)
        {
            var rows = count < EmgHead ? -1 : data[offset + 2] | data[offset + 3] << 8;
            if (count != EmgHead + 32 * rows)
                throw new DecodeException(rows + " rows of EMG in " + count + " bytes");
            Emg.Device = data[offset + 4];
            Emg.Sample = UInt(data, offset + 8, 8);
            Emg.T = Double(data, offset + 16);
            Emg.RateHz = Float(data, offset + 24);
            MakeRoom(rows);
            Emg.Rows = rows;
            Floats(data, offset + EmgHead, Emg.Samples, rows * Hand.Channels);
            return MessageKind.Emg;
        }

        private void MakeRoom(int rows)
        {
            if (Emg.Samples.Length < rows * Hand.Channels)
                Array.Resize(ref Emg.Samples, 2 * rows * Hand.Channels);
        }

        private static ulong UInt(byte[] data, int offset, int count)
        {
            ulong value = 0;
            for (var i = count - 1; i >= 0; i--)
                value = value << 8 | data[offset + i];
            return value;
        }

        private static double Double(byte[] data, int offset)
        {
            return BitConverter.Int64BitsToDouble((long)UInt(data, offset, 8));
        }

        private float Float(byte[] data, int offset)
        {
            Floats(data, offset, one, 1);
            return one[0];
        }

        private static void Floats(byte[] data, int offset, float[] into, int count)
        {
            Buffer.BlockCopy(data, offset, into, 0, 4 * count);
            if (BitConverter.IsLittleEndian)
                return;
            for (var i = 0; i < count; i++)
                into[i] = BitConverter.ToSingle(BitConverter.GetBytes((uint)UInt(data, offset + 4 * i, 4)), 0);
        }

        private MessageKind DecodeText(byte[] data, int offset, int count)
        {
            var kind = Kind(data, offset, count);
            json.Reset(data, offset, count);
            switch (kind)
            {
                case MessageKind.Pose: TextPose(); break;
                case MessageKind.Emg: TextEmg(); break;
                case MessageKind.Imu: Imu = TextImu(); break;
                case MessageKind.Status: Status = TextStatus(); break;
                case MessageKind.Hello: Hello = TextHello(); break;
                case MessageKind.Bye: ByeReason = TextBye(); break;
                case MessageKind.Pong: TextPong(); break;
                case MessageKind.Fault: Fault = TextFault(); break;
                default: json.Skip(); break;
            }
            json.End();
            return kind;
        }

        private MessageKind Kind(byte[] data, int offset, int count)
        {
            json.Reset(data, offset, count);
            json.BeginObject();
            while (json.NextKey())
            {
                if (!json.KeyIs("type"))
                {
                    json.Skip();
                    continue;
                }
                for (var k = 0; k < Types.Length; k++)
                {
                    var mark = json.Mark;
                    if (json.TextIs(Types[k]))
                        return (MessageKind)(k + 1);
                    json.Mark = mark;
                }
                return MessageKind.Unknown;
            }
            throw new DecodeException("a message without a type");
        }

        private static readonly string[] Types = { "pose", "emg", "imu", "status", "hello", "bye", "pong", "error" };

        private void TextPose()
        {
            var pose = Pose;
            pose.HasTruth = pose.HasConfidence = pose.Gap = pose.Held = pose.Left = false;
            pose.Confidence = 0f;
            var joints = 0;
            json.BeginObject();
            while (json.NextKey())
            {
                if (json.KeyIs("joints")) joints = json.Floats(pose.Joints, 0);
                else if (json.KeyIs("truth")) pose.HasTruth = json.Floats(pose.Truth, 0) == Hand.Values;
                else if (json.KeyIs("seq")) pose.Seq = (uint)json.Integer();
                else if (json.KeyIs("sample")) pose.Sample = (ulong)json.Integer();
                else if (json.KeyIs("t")) pose.T = json.Number();
                else if (json.KeyIs("age_ms")) pose.AgeMs = (float)json.Number();
                else if (json.KeyIs("infer_ms")) pose.InferMs = (float)json.Number();
                else if (json.KeyIs("skipped")) pose.Skipped = (uint)json.Integer();
                else if (json.KeyIs("device")) pose.Device = (int)json.Integer();
                else if (json.KeyIs("hand")) pose.Left = json.TextIs("left");
                else if (json.KeyIs("gap")) pose.Gap = json.Bool();
                else if (json.KeyIs("held")) pose.Held = json.Bool();
                else json.Skip();
            }
            if (joints != Hand.Values)
                throw new DecodeException("a pose with " + joints + " values");
        }

        private void TextEmg()
        {
            var rows = -1;
            json.BeginObject();
            while (json.NextKey())
            {
                if (json.KeyIs("samples")) rows = Rows();
                else if (json.KeyIs("sample")) Emg.Sample = (ulong)json.Integer();
                else if (json.KeyIs("t")) Emg.T = json.Number();
                else if (json.KeyIs("rate_hz")) Emg.RateHz = (float)json.Number();
                else if (json.KeyIs("device")) Emg.Device = (int)json.Integer();
                else json.Skip();
            }
            if (rows < 0)
                throw new DecodeException("EMG without samples");
            Emg.Rows = rows;
        }

        private int Rows()
        {
            var rows = 0;
            json.BeginArray();
            while (json.NextElement())
            {
                MakeRoom(rows + 1);
                if (json.Floats(Emg.Samples, rows * Hand.Channels) != Hand.Channels)
                    throw new DecodeException("a row of EMG has 8 values");
                rows++;
            }
            return rows;
        }

        private Imu TextImu()
        {
            var imu = new Imu();
            var values = 0;
            json.BeginObject();
            while (json.NextKey())
            {
                if (json.KeyIs("quaternion")) values += json.Floats(imu.Quaternion, 0);
                else if (json.KeyIs("acceleration_g")) values += json.Floats(imu.AccelerationG, 0);
                else if (json.KeyIs("gyro_dps")) values += json.Floats(imu.GyroDps, 0);
                else if (json.KeyIs("device")) imu.Device = (int)json.Integer();
                else if (json.KeyIs("t")) imu.T = json.Number();
                else json.Skip();
            }
            if (values != 10)
                throw new DecodeException("an inertial sample has 10 values");
            return imu;
        }

        private Status TextStatus()
        {
            var status = new Status();
            json.BeginObject();
            while (json.NextKey())
            {
                if (json.KeyIs("state")) status.State = json.Text();
                else if (json.KeyIs("device")) status.Device = (int)json.Integer();
                else if (json.KeyIs("t")) status.T = json.Number();
                else if (json.KeyIs("rate_hz")) status.RateHz = json.Number();
                else if (json.KeyIs("lost")) status.Lost = json.Integer();
                else if (json.KeyIs("battery")) status.Battery = json.Null() ? -1 : (int)json.Integer();
                else if (json.KeyIs("clients")) status.Clients = (int)json.Integer();
                else if (json.KeyIs("dropped")) status.Dropped = json.Integer();
                else if (json.KeyIs("recording")) TextRecording(status);
                else if (json.KeyIs("replay")) TextReplay(status);
                else if (json.KeyIs("error")) TextError(status);
                else json.Skip();
            }
            return status;
        }

        private void TextRecording(Status status)
        {
            if (json.Null())
                return;
            json.BeginObject();
            while (json.NextKey())
            {
                if (json.KeyIs("name")) status.Recording = json.TextOrNull();
                else if (json.KeyIs("seconds")) status.RecordingSeconds = json.Number();
                else if (json.KeyIs("bytes")) status.RecordingBytes = json.Integer();
                else json.Skip();
            }
        }

        private void TextReplay(Status status)
        {
            if (json.Null())
                return;
            status.Replay = true;
            json.BeginObject();
            while (json.NextKey())
            {
                if (json.KeyIs("position_s")) status.ReplayPosition = json.Number();
                else if (json.KeyIs("duration_s")) status.ReplayDuration = json.Number();
                else if (json.KeyIs("speed")) status.ReplaySpeed = json.Number();
                else if (json.KeyIs("loop")) status.ReplayLoop = json.Bool();
                else json.Skip();
            }
        }

        private void TextError(Status status)
        {
            if (json.Null())
                return;
            var fault = TextFault();
            status.ErrorCode = fault.Code;
            status.ErrorMessage = fault.Message;
        }

        private Fault TextFault()
        {
            var fault = new Fault();
            json.BeginObject();
            while (json.NextKey())
            {
                if (json.KeyIs("code")) fault.Code = json.Text();
                else if (json.KeyIs("message")) fault.Message = json.Text();
                else json.Skip();
            }
            return fault;
        }

        private string TextBye()
        {
            var reason = "";
            json.BeginObject();
            while (json.NextKey())
            {
                if (json.KeyIs("reason")) reason = json.Text();
                else json.Skip();
            }
            return reason;
        }

        private void TextPong()
        {
            PongId = -1;
            json.BeginObject();
            while (json.NextKey())
            {
                if (json.KeyIs("id"))
                {
                    if (json.IsNumber)
                        PongId = Whole(json.Number());
                    else
                        json.Skip();
                }
                else if (json.KeyIs("t")) PongT = json.Number();
                else json.Skip();
            }
        }

        private static long Whole(double id)
        {
            return id >= 0 && id <= int.MaxValue && Math.Floor(id) == id ? (long)id : -1;
        }

        private Hello TextHello()
        {
            var hello = new Hello();
            json.BeginObject();
            while (json.NextKey())
            {
                if (json.KeyIs("protocol")) hello.Protocol = json.Text();
                else if (json.KeyIs("server")) hello.Server = json.Text();
                else if (json.KeyIs("session")) hello.Session = json.Text();
                else if (json.KeyIs("t")) hello.T = json.Number();
                else if (json.KeyIs("encoding")) hello.Encoding = json.Text();
                else if (json.KeyIs("streams")) hello.Streams = json.Texts();
                else if (json.KeyIs("devices")) hello.Devices = TextDevices();
                else json.Skip();
            }
            return hello;
        }

        private DeviceInfo[] TextDevices()
        {
            var devices = new List<DeviceInfo>();
            json.BeginArray();
            while (json.NextElement())
            {
                var device = new DeviceInfo();
                json.BeginObject();
                while (json.NextKey())
                {
                    if (json.KeyIs("device")) device.Known = TextDevice(device);
                    else if (json.KeyIs("model")) device.HasModel = TextModel(device);
                    else if (json.KeyIs("pose")) device.HasPose = TextPoseInfo(device);
                    else json.Skip();
                }
                devices.Add(device);
            }
            return devices.ToArray();
        }

        private bool TextDevice(DeviceInfo device)
        {
            if (json.Null())
                return false;
            json.BeginObject();
            while (json.NextKey())
            {
                if (json.KeyIs("uri")) device.Uri = json.Text();
                else if (json.KeyIs("name")) device.Name = json.Text();
                else if (json.KeyIs("channels")) device.Channels = (int)json.Integer();
                else if (json.KeyIs("rate_hz")) device.RateHz = json.Number();
                else if (json.KeyIs("unit")) device.Unit = json.Text();
                else if (json.KeyIs("emg_mode")) device.EmgMode = json.Text();
                else if (json.KeyIs("hand")) device.Hand = json.Text();
                else json.Skip();
            }
            return true;
        }

        private bool TextModel(DeviceInfo device)
        {
            if (json.Null())
                return false;
            json.BeginObject();
            while (json.NextKey())
            {
                if (json.KeyIs("name")) device.Model = json.Text();
                else if (json.KeyIs("sha256")) device.ModelSha256 = json.Text();
                else if (json.KeyIs("kind")) device.ModelKind = json.Text();
                else if (json.KeyIs("window")) device.Window = (int)json.Integer();
                else if (json.KeyIs("hop")) device.Hop = (int)json.Integer();
                else if (json.KeyIs("rate_hz")) device.ModelRateHz = json.Number();
                else if (json.KeyIs("parameters")) device.Parameters = json.Integer();
                else json.Skip();
            }
            return true;
        }

        private bool TextPoseInfo(DeviceInfo device)
        {
            if (json.Null())
                return false;
            json.BeginObject();
            while (json.NextKey())
            {
                if (json.KeyIs("points")) device.Points = (int)json.Integer();
                else if (json.KeyIs("order")) device.Order = json.Text();
                else if (json.KeyIs("unit")) device.PoseUnit = json.Text();
                else if (json.KeyIs("frame")) device.Frame = json.Text();
                else if (json.KeyIs("rate_hz")) device.PoseRateHz = json.Number();
                else json.Skip();
            }
            return true;
        }
    }
}
