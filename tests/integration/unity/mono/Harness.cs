// Runs the C# client for the tests: each command prints one JSON line per answer.
//   decode FILE...                         every message, decoded, in the shape of its JSON form
//   numbers FILE                           each line's number, parsed and printed round-trip
//   address URL...                         what an address means
//   cost FILE COUNT                        collections while a message is decoded and taken COUNT times
//   watch URL TOKEN ENCODING STREAMS       state changes as they happen, and on stdin: stats, subscribe X, quit
//   leave URL                              on any line on stdin, Dispose with a connection pending that has no time limit
//   names URL                              the names of times and errors, old ones too, after an answered ping
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
            case "numbers": Numbers(args[1]); return 0;
            case "address":
                for (var i = 1; i < args.Length; i++)
                    Address(args[i]);
                return 0;
            case "cost": Cost(args[1], int.Parse(args[2])); return 0;
            case "watch": Watch(args[1], args[2], args[3], args[4]); return 0;
            case "leave": Leave(args[1]); return 0;
            case "names": Names(args[1]); return 0;
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
        var session = new StreamSession(Clock.Now);
        string decoded = null;
        session.PoseReceived += pose => decoded = Describe(pose);
        session.EmgReceived += emg => decoded = Describe(emg);
        session.ImuReceived += imu => decoded = Describe(imu);
        session.StatusReceived += status => decoded = Describe(status);
        session.HelloReceived += hello => decoded = Describe(hello);
        session.ByeReceived += reason => decoded = Object("type", "\"bye\"", "reason", Text(reason));
        session.FaultReceived += fault =>
            decoded = Object("type", "\"error\"", "code", Text(fault.Code), "message", Text(fault.Message));
        var kind = session.Receive(padded, 5, data.Length, path.EndsWith(".json"));
        if (session.Malformed > 0)
            return Object("type", "\"malformed\"");
        if (kind == MessageKind.Pong)
            return DescribePong(data);
        return decoded ?? Object("type", kind == MessageKind.Unknown ? "null" : Text(kind.ToString().ToLowerInvariant()));
    }

    // What a pong says shows in the clock offset, which is its t where all pings were sent and answered at 0.
    private static string DescribePong(byte[] pong)
    {
        var t = OffsetAfter(pong, id => 0);
        return Object("type", "\"pong\"", "id", Number(OffsetAfter(pong, id => -2 * id) - t), "t", Number(t));
    }

    private static double OffsetAfter(byte[] pong, Func<int, double> sent)
    {
        double now = 0;
        var session = new StreamSession(() => now);
        for (var id = 0; id < 10; id++)
        {
            now = sent(id);
            session.NextPing();
        }
        now = 0;
        session.Receive(pong, 0, pong.Length, true);
        return session.ClockOffset.Value;
    }

    private static string Describe(Emg e)
    {
        return Object("type", "\"emg\"", "device", e.Device.ToString(), "sample", e.Sample.ToString(), "t", Number(e.T),
            "rate_hz", Number(e.RateHz), "samples", List(e.Samples, e.Rows * Hand.Channels));
    }

    private static string Describe(Imu i)
    {
        return Object("type", "\"imu\"", "device", i.Device.ToString(), "t", Number(i.T),
            "quaternion", List(i.Quaternion, 4), "acceleration_g", List(i.AccelerationG, 3),
            "gyro_dps", List(i.GyroDps, 3));
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
            "error", s.ErrorCode == null ? "null" : Object("code", Text(s.ErrorCode), "message", Text(s.ErrorMessage)),
            "arm", Describe(ArmStatus.Read(s)));
    }

    private static string Describe(ArmStatus s)
    {
        return s == null ? "null" : Object(
            "alignment", Object("state", Text(s.Alignment), "cue", Text(s.AlignmentCue), "phase", Text(s.AlignmentPhase),
                "left_s", Number(s.AlignmentLeft), "again", Text(s.AlignmentAgain), "error", Text(s.AlignmentError),
                "applied", Flag(s.AlignmentApplied), "turn_deg", Number(s.AlignmentTurn)),
            "personal", Object("state", Text(s.Personal), "seconds", Number(s.PersonalSeconds),
                "before", s.PersonalBefore == null ? "null" : Number(s.PersonalBefore.Value),
                "after", s.PersonalAfter == null ? "null" : Number(s.PersonalAfter.Value),
                "lag_ms", s.PersonalLag == null ? "null" : Number(s.PersonalLag.Value), "error", Text(s.PersonalError)),
            "signal", Object("states", Text(string.Join(" ", s.SignalStates)),
                "hints", Text(string.Join("|", s.SignalHints))),
            "labels", Object("state", Text(s.Labels), "source", Text(s.LabelsSource), "message", Text(s.LabelsMessage),
                "lag_ms", s.LabelsLag == null ? "null" : Number(s.LabelsLag.Value), "pose", Text(s.PromptPose),
                "now", Number(s.PromptNow), "level", Number(s.PromptLevel), "joints", List(s.PromptJoints, s.PromptJoints.Length)));
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
                    "rate_hz", Number(d.ModelRateHz), "parameters", d.Parameters.ToString(), "adapted",
                    d.GainFrom == null ? "null" : Object("rate_hz", Number(d.ModelRateHz), "gain", Number(d.Gain), "from", Text(d.GainFrom))),
                "pose", !d.HasPose ? "null" : Object("points", d.Points.ToString(), "order", Text(d.Order),
                    "unit", Text(d.PoseUnit), "frame", Text(d.Frame), "rate_hz", Number(d.PoseRateHz),
                    "filter", d.Filter == "" ? "null" : Object("name", Text(d.Filter),
                        "min_cutoff_hz", Number(d.FilterMinCutoffHz), "beta", Number(d.FilterBeta),
                        "stages", Number(d.FilterStages), "lag_ms", Number(d.FilterLagMs)),
                    "lag_ms", d.PoseLagMs == null ? "null" : Number(d.PoseLagMs.Value))));
        var streams = new List<string>();
        foreach (var stream in h.Streams)
            streams.Add(Text(stream));
        return Object("type", "\"hello\"", "protocol", Text(h.Protocol), "server", Text(h.Server),
            "session", Text(h.Session), "t", Number(h.T), "devices", "[" + string.Join(",", devices.ToArray()) + "]",
            "streams", "[" + string.Join(",", streams.ToArray()) + "]", "encoding", Text(h.Encoding));
    }

    private static void Numbers(string path)
    {
        var session = new StreamSession(Clock.Now);
        foreach (var line in File.ReadAllLines(path))
        {
            var message = Encoding.UTF8.GetBytes("{\"type\":\"hello\",\"t\":" + line + "}");
            session.Receive(message, 0, message.Length, true);
            Console.WriteLine(session.Malformed == 0 ? Number(session.Hello.T) : "null");
        }
    }

    private static void Address(string url)
    {
        try
        {
            var address = StreamAddress.Parse(url, "pose,emg", 30);
            Console.WriteLine("[" + Text(address.Uri.AbsoluteUri) + "," + Text(address.Token) + ","
                + Text(address.Status.AbsoluteUri) + "]");
        }
        catch (FormatException)
        {
            Console.WriteLine("null");
        }
    }

    private static void Cost(string path, int count)
    {
        var data = File.ReadAllBytes(path);
        var session = new StreamSession(Clock.Now);
        var text = path.EndsWith(".json");
        var into = new HandPose();
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
        client.StateChanged += state => Say(Object("state", Text(state.ToString()), "problem", Text(client.ConnectionError)));
        client.Session.PoseReceived += poses.Add;
        client.Session.StatusReceived += poses.Note;
        client.Session.FaultReceived += fault => Say(Object("fault", Text(fault.Message)));
        client.Session.HelloReceived += hello => Say(Object("hello", Describe(hello)));
        client.Session.ByeReceived += reason => Say(Object("bye", Text(reason)));
        try
        {
            client.Start();
        }
        catch (FormatException error)
        {
            Say(Object("invalid", Text(error.Message)));
            return;
        }
        for (var line = Console.ReadLine(); line != null && line != "quit"; line = Console.ReadLine())
        {
            if (line.StartsWith("subscribe "))
                client.Subscribe(line.Substring(10), 0);
            else if (line == "label")
                Say(Object("sent", client.Send(LabelMessage.Joints(1763900016.5, Ramp(), "left", "webcam \"2\"", 1)) ? "1" : "0"));
            else if (line == "marker")
                Say(Object("sent", client.Send(LabelMessage.Marker(1763900016.5, "second \"donning\"")) ? "1" : "0"));
            else if (line == "steady")
                poses.Steady();
            else
            {
                Say(poses.Report(client));
                poses.Resume();
            }
        }
        client.Dispose();
        client.Completion.Wait();
        Say(Object("state", "\"Disposed\"", "problem", "\"\""));
    }

    private static float[] Ramp()
    {
        var joints = new float[Hand.Values];
        for (var i = 0; i < joints.Length; i++)
            joints[i] = i / 4f - 5;
        return joints;
    }

    private static void Leave(string url)
    {
        var client = new StreamClient(new StreamOptions { Url = url, OpenTimeoutMs = int.MaxValue });
        client.StateChanged += state => Say(Object("state", Text(state.ToString())));
        client.Start();
        Console.ReadLine();
        client.Dispose();
        Say(Object("disposed", "true"));
        client.Completion.Wait();
        Say(Object("completed", "true"));
    }

    private static void Names(string url)
    {
        var client = new StreamClient(new StreamOptions { Url = url });
        var answered = new ManualResetEvent(false);
        HandPose shown = null;
        client.Session.PoseReceived += pose =>
        {
            if (client.Session.ClockOffset == null)
                return;
            shown = shown ?? pose;
            answered.Set();
        };
        var before = Object("offset", Nullable(client.Session.ClockOffset), "now", Nullable(client.Session.ServerNow),
            "latency", Nullable(client.Session.Latency(new HandPose())), "error", Text(client.ConnectionError));
        client.Start();
        answered.WaitOne();
        double server = client.Session.ServerNow.Value, latency = client.Session.Latency(shown).Value;
#pragma warning disable 618 // The old names are what is tested.
        var old = Object("offset", Number(client.Session.Offset.Seconds), "problem", Text(client.Problem));
#pragma warning restore 618
        Say(Object("before", before, "offset", Nullable(client.Session.ClockOffset), "here", Number(Clock.Now()),
            "server", Number(server), "latency", Number(latency), "t", Number(shown.T), "age_ms", Number(shown.AgeMs),
            "error", Text(client.ConnectionError), "old", old));
        client.Dispose();
        client.Completion.Wait();
    }

    private static string Nullable(double? value) { return value.HasValue ? Number(value.Value) : "null"; }

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
                    "offset", Nullable(client.Session.ClockOffset),
                    "latest", Describe(latest));
            }
        }
    }
}
