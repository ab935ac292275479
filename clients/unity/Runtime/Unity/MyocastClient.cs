using System;
using System.Collections.Generic;
using UnityEngine;
using UnityEngine.Events;

namespace Myocast.Unity
{
    /// <summary>An event with a text, for the inspector. Raised on the main thread.</summary>
    [Serializable]
    public sealed class TextEvent : UnityEvent<string> { }

    /// <summary>
    /// Connects a scene to a Myocast server while it is enabled, again after a loss. All on the main thread: properties,
    /// methods and events. An event shows the newest pose once per frame.
    /// </summary>
    [AddComponentMenu("Myocast/Myocast Client")]
    [DefaultExecutionOrder(-100)]
    public sealed class MyocastClient : MonoBehaviour
    {
        private const int Devices = 4, Waiting = 64;

        [Tooltip("What `myocast serve` prints, like http://127.0.0.1:8765/#token=T")]
        [SerializeField] private string url = "http://127.0.0.1:8765/";
        [Tooltip("Leave empty if the address carries it, or the server has none")]
        [SerializeField] private string token = "";
        [Tooltip("Comma list of pose, emg, imu, status")]
        [SerializeField] private string streams = "pose,status";
        [Tooltip("Poses per second at most; 0 = every pose")]
        [SerializeField] private float maxRate;
        [Tooltip("Binary messages (smaller), or JSON")]
        [SerializeField] private bool binary = true;
        [SerializeField] private UnityEvent onConnected = new UnityEvent();
        [SerializeField] private UnityEvent onDisconnected = new UnityEvent();
        [Tooltip("The server refused this client; the text says why")]
        [SerializeField] private TextEvent onRefused = new TextEvent();

        private readonly HandPose[] newest = new HandPose[Devices];
        private readonly long[] taken = new long[Devices];
        private readonly Status[] statuses = new Status[Devices];
        private readonly Queue<object> messages = new Queue<object>(Waiting);
        private readonly List<object> round = new List<object>(Waiting);
        private IStreamLink link;
        private StreamState shown = StreamState.Closed;

        /// <summary>A new pose of any armband, at most one per armband and frame. The object is filled again.</summary>
        public event Action<HandPose> PoseChanged;
        /// <summary>A hello: the first message, and again after every change in it.</summary>
        public event Action<Hello> HelloReceived;
        /// <summary>The state of an armband and of this connection, if Streams holds status.</summary>
        public event Action<Status> StatusReceived;
        /// <summary>An inertial sample, if Streams holds imu.</summary>
        public event Action<Imu> ImuReceived;
        /// <summary>EMG samples, if Streams holds emg.</summary>
        public event Action<Emg> EmgReceived;
        /// <summary>The server could not use a message of this client.</summary>
        public event Action<Fault> FaultReceived;

        /// <summary>What `myocast serve` prints, or a ws:// address. Used when the component is enabled.</summary>
        public string Url { get { return url; } set { url = value; } }
        /// <summary>The server's access token; empty: the one in the address, if any.</summary>
        public string Token { get { return token; } set { token = value; } }
        /// <summary>Comma list of pose, emg, imu, status.</summary>
        public string Streams { get { return streams; } set { streams = value; } }
        /// <summary>Poses per second at most; 0 = every pose.</summary>
        public float MaxRate { get { return maxRate; } set { maxRate = value; } }
        /// <summary>Binary messages (smaller), or JSON.</summary>
        public bool Binary { get { return binary; } set { binary = value; } }
        /// <summary>The server has greeted this client.</summary>
        public UnityEvent OnConnected { get { return onConnected; } }
        /// <summary>The connection was lost; the client tries again.</summary>
        public UnityEvent OnDisconnected { get { return onDisconnected; } }
        /// <summary>The server refused this client; the text says why. The client does not try again.</summary>
        public TextEvent OnRefused { get { return onRefused; } }

        /// <summary>Whether there is a connection.</summary>
        public StreamState State => shown;
        /// <summary>Why there is no connection now, in one line; empty while there is one.</summary>
        public string ConnectionError => link != null ? link.ConnectionError : "";
        /// <summary>The newest hello; null before the first.</summary>
        public Hello Hello => link != null ? link.Session.Hello : null;
        /// <summary>The server's clock minus this computer's, seconds; null before the first answer to a ping.</summary>
        public double? ClockOffset => link != null ? link.Session.ClockOffset : null;
        /// <summary>Unix seconds on the server's clock; null before the first answer to a ping.</summary>
        public double? ServerNow => link != null ? link.Session.ServerNow : null;

        /// <summary>Old name of ConnectionError.</summary>
        [Obsolete("Use ConnectionError; goes with version 0.2")]
        public string Problem => ConnectionError;

        /// <summary>The newest pose of an armband; null before the first.</summary>
        public HandPose Pose(int device)
        {
            return device >= 0 && device < Devices && taken[device] > 0 ? newest[device] : null;
        }

        /// <summary>The newest status of an armband; null before the first, or if Streams does not hold status.</summary>
        public Status Status(int device) => device >= 0 && device < Devices ? statuses[device] : null;

        /// <summary>Seconds from a pose's newest EMG sample to now, both on the server's clock; null before the first
        /// answer to a ping. See HandPose.AgeMs for the part of it that passed in the server.</summary>
        public double? Latency(HandPose pose) => link != null ? link.Session.Latency(pose) : null;

        /// <summary>Replaces the subscription, now and after every reconnect.</summary>
        public void Subscribe(string names, float rate)
        {
            streams = names;
            maxRate = rate;
            if (link != null)
                link.Subscribe(names, rate);
        }

        /// <summary>Tells the server where the hand really was, 63 values in mm; see LabelMessage.Joints. False, and nothing
        /// is sent, without a connection or before the server's clock is known.</summary>
        public bool SendLabel(float[] joints, string hand = "", string source = "", int device = 0)
        {
            var now = ServerNow;
            return now != null && link.Send(LabelMessage.Joints(now.Value, joints, hand, source, device));
        }

        /// <summary>Puts a note into the server's recording. False, and nothing is sent, without a connection or before the
        /// server's clock is known.</summary>
        public bool SendMarker(string label, int device = 0)
        {
            var now = ServerNow;
            return now != null && link.Send(LabelMessage.Marker(now.Value, label, device));
        }

        private void OnEnable()
        {
            Array.Clear(taken, 0, Devices);
            Array.Clear(statuses, 0, Devices);
            for (var device = 0; device < Devices; device++)
                newest[device] = newest[device] ?? new HandPose();
            try
            {
                link = StreamLinks.Open(new StreamOptions
                {
                    Url = url, Token = token, Streams = streams, MaxRate = maxRate, Binary = binary,
                });
            }
            catch (FormatException error)
            {
                Debug.LogError("Myocast: " + error.Message, this);
                return;
            }
            var session = link.Session;
            session.HelloReceived += Keep;
            session.StatusReceived += Keep;
            session.ImuReceived += Keep;
            session.FaultReceived += Keep;
            session.EmgReceived += KeepCopy;
            link.Start();
        }

        private void OnDisable()
        {
            if (link == null)
                return;
            var session = link.Session;
            session.HelloReceived -= Keep;
            session.StatusReceived -= Keep;
            session.ImuReceived -= Keep;
            session.FaultReceived -= Keep;
            session.EmgReceived -= KeepCopy;
            link.Dispose();
            link = null;
            lock (messages)
                messages.Clear();
            Show(StreamState.Closed);
        }

        private void Update()
        {
            if (link == null)
                return;
            link.Poll();
            Show(link.State);
            Dispatch();
            for (var device = 0; device < Devices; device++)
                if (link.Session.Poses.TryTake(device, ref taken[device], newest[device]) && PoseChanged != null)
                    PoseChanged(newest[device]);
        }

        private void Show(StreamState state)
        {
            if (state == shown)
                return;
            var before = shown;
            shown = state;
            if (state == StreamState.Open)
                onConnected.Invoke();
            else if (before == StreamState.Open)
                onDisconnected.Invoke();
            if (state == StreamState.Refused)
            {
                Debug.LogError("Myocast: " + ConnectionError, this);
                onRefused.Invoke(ConnectionError);
            }
        }

        private void KeepCopy(Emg emg) { Keep(emg.Copy()); }

        // Called on the thread that receives.
        private void Keep(object message)
        {
            lock (messages)
            {
                if (messages.Count == Waiting)
                    messages.Dequeue();
                messages.Enqueue(message);
            }
        }

        private void Dispatch()
        {
            lock (messages)
            {
                if (messages.Count == 0)
                    return;
                round.AddRange(messages);
                messages.Clear();
            }
            foreach (var message in round)
                Raise(message);
            round.Clear();
        }

        private void Raise(object message)
        {
            var status = message as Status;
            if (status != null && status.Device >= 0 && status.Device < Devices)
                statuses[status.Device] = status;
            Raise(HelloReceived, message as Hello);
            Raise(StatusReceived, status);
            Raise(ImuReceived, message as Imu);
            Raise(EmgReceived, message as Emg);
            Raise(FaultReceived, message as Fault);
        }

        private static void Raise<T>(Action<T> handler, T message) where T : class
        {
            if (handler != null && message != null)
                handler(message);
        }
    }
}
