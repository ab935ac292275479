using System.IO;
using System.Linq;
using System.Text;
using Newtonsoft.Json;
using Newtonsoft.Json.Linq;

namespace Myocast
{
    /// <summary>A JSON object of the protocol, and what its keys mean. A missing key, or null, gives the default of its
    /// type; a value of a wrong type is an error. It is read key by key because reflection does not survive Unity's
    /// code stripping.</summary>
    internal sealed class JsonMessage
    {
        private const int MaxDepth = 32;
        private readonly JObject json;

        private JsonMessage(JObject json) { this.json = json; }

        /// <exception cref="DecodeException">The text is not one JSON object.</exception>
        public static JsonMessage Parse(string text)
        {
            try
            {
                var reader = new JsonTextReader(new StringReader(text)) { MaxDepth = MaxDepth };
                reader.DateParseHandling = DateParseHandling.None;
                var json = JObject.Load(reader);
                return reader.Read() ? throw new DecodeException("more follows the object") : new JsonMessage(json);
            }
            catch (JsonException error)
            {
                throw new DecodeException(error.Message);
            }
        }

        public void ReadPose(HandPose pose)
        {
            pose.Device = Index("device");
            pose.Seq = (uint)Whole("seq", 0, uint.MaxValue);
            pose.Sample = (ulong)Whole("sample", 0);
            pose.T = Number("t");
            pose.AgeMs = (float)Number("age_ms");
            pose.InferMs = (float)Number("infer_ms");
            pose.Skipped = (uint)Whole("skipped", 0, uint.MaxValue);
            pose.Left = Text("hand") == "left";
            pose.Held = Flag("held");
            pose.Gap = Flag("gap");
            pose.HasConfidence = Has("confidence");
            pose.Confidence = (float)Number("confidence");
            pose.HasTruth = Has("truth");
            ReadFloats("joints", pose.Joints);
            if (pose.HasTruth)
                ReadFloats("truth", pose.Truth);
        }

        public void ReadEmg(Emg emg)
        {
            emg.Device = Index("device");
            emg.Sample = (ulong)Whole("sample", 0);
            emg.T = Number("t");
            emg.RateHz = (float)Number("rate_hz");
            var rows = Has("samples") ? List("samples") : throw Wrong("samples");
            emg.Resize(rows.Count);
            for (var row = 0; row < rows.Count; row++)
                ReadFloats(rows[row], emg.Samples, row * Hand.Channels, Hand.Channels, "samples");
        }

        public Imu ReadImu()
        {
            var imu = new Imu { Device = Index("device"), T = Number("t") };
            ReadFloats("quaternion", imu.Quaternion);
            ReadFloats("acceleration_g", imu.AccelerationG);
            ReadFloats("gyro_dps", imu.GyroDps);
            return imu;
        }

        public Status ReadStatus() => new Status
        {
            Device = Index("device"), T = Number("t"), State = Text("state"), RateHz = Number("rate_hz"),
            Lost = Whole("lost"), Battery = Has("battery") ? Index("battery") : -1, Clients = Index("clients"),
            Dropped = Whole("dropped"), Recording = TextOrNull("recording.name"),
            RecordingSeconds = Number("recording.seconds"), RecordingBytes = Whole("recording.bytes"),
            Replay = Has("replay"), ReplayPosition = Number("replay.position_s"),
            ReplayDuration = Number("replay.duration_s"), ReplaySpeed = Number("replay.speed"),
            ReplayLoop = Flag("replay.loop"), ErrorCode = TextOrNull("error.code"),
            ErrorMessage = TextOrNull("error.message"), Json = json.ToString(Formatting.None),
        };

        public Hello ReadHello() => new Hello
        {
            Protocol = Text("protocol"), Server = Text("server"), Session = Text("session"), T = Number("t"),
            Encoding = Text("encoding"), Streams = List("streams").Select(name => name.ToString()).ToArray(),
            Devices = List("devices").OfType<JObject>().Select(entry => new JsonMessage(entry).ReadDevice()).ToArray(),
        };

        public Fault ReadFault() => new Fault { Code = Text("code"), Message = Text("message") };

        private DeviceInfo ReadDevice() => new DeviceInfo
        {
            Known = Has("device"), Uri = Text("device.uri"), Name = Text("device.name"),
            Channels = Index("device.channels"), RateHz = Number("device.rate_hz"), Unit = Text("device.unit"),
            EmgMode = Text("device.emg_mode"), Hand = Text("device.hand"),
            HasModel = Has("model"), Model = Text("model.name"), ModelSha256 = Text("model.sha256"),
            ModelKind = Text("model.kind"), Window = Index("model.window"), Hop = Index("model.hop"),
            ModelRateHz = Number("model.rate_hz"), Parameters = Whole("model.parameters"),
            Gain = Number("model.adapted.gain"), GainFrom = TextOrNull("model.adapted.from"),
            HasPose = Has("pose"), Points = Index("pose.points"), Order = Text("pose.order"),
            PoseUnit = Text("pose.unit"), Frame = Text("pose.frame"), PoseRateHz = Number("pose.rate_hz"),
            Filter = Text("pose.filter.name"), FilterMinCutoffHz = Number("pose.filter.min_cutoff_hz"),
            FilterBeta = Number("pose.filter.beta"), FilterStages = Number("pose.filter.stages"),
            FilterLagMs = Number("pose.filter.lag_ms"),
            PoseLagMs = Has("pose.lag_ms") ? Number("pose.lag_ms") : (double?)null,
        };

        public string TextOrNull(string path) => (string)Value(path, JTokenType.String);
        public string Text(string path) => TextOrNull(path) ?? "";
        public double Number(string path) => (double?)Value(path, JTokenType.Float, JTokenType.Integer) ?? 0;
        /// <summary>An id may be any JSON value: this is a whole number, or -1 for anything else.</summary>
        public long WholeOrMinusOne(string path) => (json[path] as JValue)?.Value as long? ?? -1;
        private bool Has(string path) => json.SelectToken(path) is JToken value && value.Type != JTokenType.Null;
        private int Index(string path) => (int)Whole(path, int.MinValue, int.MaxValue);

        private long Whole(string path, long lowest = long.MinValue, long highest = long.MaxValue)
        {
            var value = Value(path, JTokenType.Integer) is JValue found ? found.Value as long? : 0;
            return value >= lowest && value <= highest ? value.Value : throw Wrong(path);
        }

        private bool Flag(string path) => (bool?)Value(path, JTokenType.Boolean) ?? false;
        private JArray List(string path) => (JArray)Value(path, JTokenType.Array) ?? new JArray();
        private void ReadFloats(string path, float[] into) => ReadFloats(List(path), into, 0, into.Length, path);

        private static void ReadFloats(JToken from, float[] into, int offset, int count, string path)
        {
            if (!(from is JArray values) || values.Count != count)
                throw Wrong(path);
            for (var i = 0; i < count; i++)
                into[offset + i] = values[i].Type == JTokenType.Float || values[i].Type == JTokenType.Integer
                    ? (float)values[i] : throw Wrong(path);
        }

        /// <summary>The value under a path of keys, which must be of one of two types; null if absent or null.</summary>
        private JToken Value(string path, JTokenType type, JTokenType other = JTokenType.None)
        {
            var value = json.SelectToken(path);
            if (value == null || value.Type == JTokenType.Null)
                return null;
            return value.Type == type || value.Type == other ? value : throw Wrong(path);
        }

        private static DecodeException Wrong(string path) => new DecodeException("'" + path + "' is missing or wrong");
    }
}
