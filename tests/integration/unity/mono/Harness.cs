// Runs the C# client for the tests: each command prints one JSON line per answer.
//   decode FILE...                         every message, decoded, in the shape of its JSON form
//   feed FILE CHUNK                        a raw WebSocket byte stream cut into chunks: kinds and lengths of messages
//   numbers FILE                           each line's number, parsed and printed round-trip
//   address URL...                         what an address means
//   joints FILE LEFT                       26 OpenXR joints of a binary pose
//   cost FILE COUNT                        bytes allocated while a message is decoded COUNT times
//   watch URL TOKEN ENCODING STREAMS       state changes as they happen, and on stdin: stats, subscribe X, quit
//   scene URL                              the components against a server: one line of what they show per stats
using System;
using System.Collections.Generic;
using System.Globalization;
using System.IO;
using System.Text;
using System.Threading;
using Myocast;

internal static class Harness
{
    private static int Main(string[] args)
    {
        Thread.CurrentThread.CurrentCulture = CultureInfo.GetCultureInfo("de-DE");
        Console.OutputEncoding = new UTF8Encoding(false);
        switch (args[0])
        {
            case "decode":
                for (var i = 1; i < args.Length; i++)
                    Console.WriteLine(Decode(args[i]));
                return 0;
            case "feed": Feed(File.ReadAllBytes(args[1]), int.Parse(args[2])); return 0;
            case "numbers": Numbers(args[1]); return 0;
            case "address":
                for (var i = 1; i < args.Length; i++)
                    Address(args[i]);
                return 0;
            case "joints": JointsOf(args[1], args[2] == "left"); return 0;
            case "cost": Cost(args[1], int.Parse(args[2])); return 0;
            case "watch": Watch(args[1], args[2], args[3], args[4]); return 0;
            default: return 2;
        }
    }

    public static string Number(double value) { return value.ToString("R", CultureInfo.InvariantCulture); }

    public static string Text(string value)
    {
        if (value == null)
            return "null";
        var text = new StringBuilder("\"");
        foreach (var c in value)
            text.Append(c < 32 || c == '"' || c == '\\' || c > 126 ? "\\u" + ((int)c).ToString("x4") : c.ToString());
        return text.Append('"').ToString();
    }

    public static string List(float[] values, int count)
    {
        var parts = new string[count];
        for (var i = 0; i < count; i++)
            parts[i] = Number(values[i]);
        return "[" + string.Join(",", parts) + "]";
    }

    private static string Flag(bool value) { return value ? "true" : "false"; }

    private static string Object(params string[] pairs)
    {
        var parts = new List<string>();
        for (var i = 0; i < pairs.Length; i += 2)
            parts.Add("\"" + pairs[i] + "\":" + pairs[i + 1]);
        return "{" + string.Join(",", parts.ToArray()) + "}";
    }

    private static string Decode(string path)
    {
        var data = File.ReadAllBytes(path);
        var padded = new byte[data.Length + 7];
        data.CopyTo(padded, 5);
        var decoder = new MessageDecoder();
        try
        {
            var kind = decoder.Decode(padded, 5, data.Length, path.EndsWith(".json"));
            return Describe(decoder, kind);
        }
        catch (DecodeException)
        {
            return Object("type", "\"malformed\"");
        }
    }

    private static string Describe(MessageDecoder d, MessageKind kind)
    {
        switch (kind)
        {
            case MessageKind.Pose: return Describe(d.Pose);
            case MessageKind.Emg:
                return Object("type", "\"emg\"", "device", d.Emg.Device.ToString(), "sample", d.Emg.Sample.ToString(),
                    "t", Number(d.Emg.T), "rate_hz", Number(d.Emg.RateHz),
                    "samples", List(d.Emg.Samples, d.Emg.Rows * Hand.Channels));
            case MessageKind.Imu:
                return Object("type", "\"imu\"", "device", d.Imu.Device.ToString(), "t", Number(d.Imu.T),
                    "quaternion", List(d.Imu.Quaternion, 4), "acceleration_g", List(d.Imu.AccelerationG, 3),
                    "gyro_dps", List(d.Imu.GyroDps, 3));
            case MessageKind.Status: return Describe(d.Status);
            case MessageKind.Hello: return Describe(d.Hello);
            case MessageKind.Bye: return Object("type", "\"bye\"", "reason", Text(d.ByeReason));
            case MessageKind.Pong:
                return Object("type", "\"pong\"", "id", d.PongId.ToString(), "t", Number(d.PongT));
            case MessageKind.Fault:
                return Object("type", "\"error\"", "code", Text(d.Fault.Code), "message", Text(d.Fault.Message));
            default: return Object("type", "null");
        }
    }

    public static string Describe(HandPose p)
    {
        return Object("type", "\"pose\"", "device", p.Device.ToString(), "seq", p.Seq.ToString(),
            "sample", p.Sample.ToString(), "t", Number(p.T), "age_ms", Number(p.AgeMs), "infer_ms", Number(p.InferMs),
            "skipped", p.Skipped.ToString(), "hand", p.Left ? "\"left\"" : "\"right\"", "gap", Flag(p.Gap),
            "held", Flag(p.Held), "joints", List(p.Joints, Hand.Values),
            "truth", p.HasTruth ? List(p.Truth, Hand.Values) : "null",
            "confidence", p.HasConfidence ? Number(p.Confidence) : "null");
    }

    private static string Describe(Status s)
    {
        return Object("type", "\"status\"", "device", s.Device.ToString(), "t", Number(s.T), "state", Text(s.State),
            "rate_hz", Number(s.RateHz), "lost", s.Lost.ToString(),
            "battery", s.Battery < 0 ? "null" : s.Battery.ToString(), "clients", s.Clients.ToString(),
            "dropped", s.Dropped.ToString(),
            "recording", s.Recording == null ? "null" : Object("name", Text(s.Recording),
                "seconds", Number(s.RecordingSeconds), "bytes", s.RecordingBytes.ToString()),
            "replay", !s.Replay ? "null" : Object("position_s", Number(s.ReplayPosition),
                "duration_s", Number(s.ReplayDuration), "speed", Number(s.ReplaySpeed), "loop", Flag(s.ReplayLoop)),
            "error", s.ErrorCode == null ? "null" : Object("code", Text(s.ErrorCode), "message", Text(s.ErrorMessage)));
    }

    private static string Describe(Hello h)
    {
        var devices = new List<string>();
        foreach (var d in h.Devices)
            devices.Add(Object(
                "device", !d.Known ? "null" : Object("uri", Text(d.Uri), "name", Text(d.Name),
                    "channels", d.Channels.ToString(), "rate_hz", Number(d.RateHz), "unit", Text(d.Unit),
                    "emg_mode", Text(d.EmgMode), "hand", Text(d.Hand)),
                "model", !d.HasModel ? "null" : Object("name", Text(d.Model), "sha256", Text(d.ModelSha256),
                    "kind", Text(d.ModelKind), "window", d.Window.ToString(), "hop", d.Hop.ToString(),
                    "rate_hz", Number(d.ModelRateHz), "parameters", d.Parameters.ToString()),
                "pose", !d.HasPose ? "null" : Object("points", d.Points.ToString(), "order", Text(d.Order),
                    "unit", Text(d.PoseUnit), "frame", Text(d.Frame), "rate_hz", Number(d.PoseRateHz))));
        var streams = new List<string>();
        foreach (var stream in h.Streams)
            streams.Add(Text(stream));
        return Object("type", "\"hello\"", "protocol", Text(h.Protocol), "server", Text(h.Server),
            "session", Text(h.Session), "t", Number(h.T), "devices", "[" + string.Join(",", devices.ToArray()) + "]",
            "streams", "[" + string.Join(",", streams.ToArray()) + "]", "encoding", Text(h.Encoding));
    }

    private static void Feed(byte[] bytes, int chunk)
    {
        var frames = new WebSocketFrames(1 << 20);
        var at = 0;
        try
        {
            while (true)
            {
                while (frames.Next())
                {
                    uint sum = 0;
                    for (var i = 0; i < frames.Count; i++)
                        sum = sum * 31 + frames.Data[frames.Offset + i];
                    Console.WriteLine("[" + (int)frames.Kind + "," + frames.Count + "," + sum + "]");
                }
                if (at == bytes.Length)
                    return;
                var count = Math.Min(Math.Min(chunk, frames.Room), bytes.Length - at);
                Buffer.BlockCopy(bytes, at, frames.Buffer, frames.Free, count);
                frames.Commit(count);
                at += count;
            }
        }
        catch (TransportException error)
        {
            Console.WriteLine(Text(error.Message));
        }
    }

    private static void Numbers(string path)
    {
        var decoder = new MessageDecoder();
        foreach (var line in File.ReadAllLines(path))
        {
            var message = Encoding.UTF8.GetBytes("{\"type\":\"pong\",\"id\":1,\"t\":" + line + "}");
            try
            {
                decoder.Decode(message, 0, message.Length, true);
                Console.WriteLine(Number(decoder.PongT));
            }
            catch (DecodeException)
            {
                Console.WriteLine("null");
            }
        }
    }

    private static void Address(string url)
    {
        try
        {
            var address = StreamAddress.Parse(url, "pose,emg", 30);
            Console.WriteLine("[" + Text(address.Uri.AbsoluteUri) + "," + Text(address.Token) + "]");
        }
        catch (FormatException)
        {
            Console.WriteLine("null");
        }
    }

    private static void JointsOf(string path, bool left)
    {
        var decoder = new MessageDecoder();
        var data = File.ReadAllBytes(path);
        decoder.Decode(data, 0, data.Length, false);
        var positions = new float[3 * XrHand.Joints];
        var rotations = new float[4 * XrHand.Joints];
        XrHand.Fill(decoder.Pose.Joints, left, positions, rotations);
        var ids = new List<string>();
        for (var j = 0; j < XrHand.Joints; j++)
            ids.Add(XrHand.ToUnityJointId(j).ToString());
        Console.WriteLine(Object("positions", List(positions, positions.Length), "rotations",
            List(rotations, rotations.Length), "unity", "[" + string.Join(",", ids.ToArray()) + "]"));
    }

    private static void Cost(string path, int count)
    {
        var data = File.ReadAllBytes(path);
        var session = new StreamSession(Clock.Now);
        var text = path.EndsWith(".json");
        var into = new HandPose();
        var ping = new byte[64];
        var taken = new long[4];
        long before = 0, collections = 0;
        for (var i = -1000; i < count; i++)
        {
            if (i == 0)
            {
                before = GC.GetTotalMemory(true);
                collections = GC.CollectionCount(0);
            }
            session.Receive(data, 0, data.Length, text);
            session.Poses.TryTake(1, ref taken[1], into);
            session.Poses.TryTake(0, ref taken[0], into);
            session.WritePing(ping);
        }
        var after = GC.GetTotalMemory(false);
        Console.WriteLine(Object("bytes", (after - before).ToString(),
            "collections", (GC.CollectionCount(0) - collections).ToString(), "messages", session.Messages.ToString(),
            "malformed", session.Malformed.ToString()));
    }

    private static void Watch(string url, string token, string encoding, string streams)
    {
        var options = new StreamOptions
        {
            Url = url, Token = token, Binary = encoding == "binary", Streams = streams, PingIntervalMs = 200,
            SilenceSeconds = 2,
        };
        var client = new StreamClient(options);
        var poses = new Tally();
        client.StateChanged += state => Say(Object("state", Text(state.ToString()), "problem", Text(client.Problem)));
        client.Session.PoseReceived += poses.Add;
        client.Session.StatusReceived += poses.Note;
        client.Session.FaultReceived += fault => Say(Object("fault", Text(fault.Message)));
        client.Session.HelloReceived += hello => Say(Object("hello", Describe(hello)));
        client.Session.ByeReceived += reason => Say(Object("bye", Text(reason)));
        client.Start();
        for (var line = Console.ReadLine(); line != null && line != "quit"; line = Console.ReadLine())
        {
            if (line.StartsWith("subscribe "))
                client.Subscribe(line.Substring(10), 0);
            else if (line == "steady")
                poses.Steady();
            else
            {
                Say(poses.Report(client));
                poses.Resume();
            }
        }
        client.Dispose();
        Say(Object("state", "\"Disposed\"", "problem", "\"\""));
    }

    private static void Say(string line)
    {
        lock (Console.Out)
        {
            Console.WriteLine(line);
            Console.Out.Flush();
        }
    }

    private sealed class Tally
    {
        private readonly HandPose latest = new HandPose();
        private long count, missing, lefts, steadyCount, collections, collected;
        private long dropped;
        private uint last;

        public void Note(Status status)
        {
            lock (latest)
                dropped = status.Dropped;
        }

        public void Add(HandPose pose)
        {
            lock (latest)
            {
                if (count > 0)
                    missing += (long)pose.Seq - last - 1;
                if (pose.Left)
                    lefts++;
                last = pose.Seq;
                count++;
                latest.CopyFrom(pose);
            }
        }

        public void Steady()
        {
            lock (latest)
            {
                missing = 0;
                steadyCount = count;
                collected = 0;
            }
            Resume();
        }

        // What was allocated to answer a question does not count.
        public void Resume()
        {
            GC.Collect();
            lock (latest)
                collections = GC.CollectionCount(0);
        }

        public string Report(StreamClient client)
        {
            lock (latest)
            {
                collected += GC.CollectionCount(0) - collections;
                return Object("poses", count.ToString(), "missing", missing.ToString(),
                    "dropped", dropped.ToString(), "lefts", lefts.ToString(),
                    "steady", (count - steadyCount).ToString(), 
                    "collections", collected.ToString(),
                    "connections", client.Connections.ToString(), "malformed", client.Session.Malformed.ToString(),
                    "offset", client.Session.Offset.Known ? Number(client.Session.Offset.Seconds) : "null",
                    "latest", Describe(latest));
            }
        }
    }
}
