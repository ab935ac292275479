using System;
using System.Collections.Generic;
using UnityEngine;
using UnityEngine.Events;

namespace Myocast.Unity
{
    [Serializable]
    public sealed class TextEvent : UnityEvent<string> { }

    /// <summary>
    /// Connects a scene to a Myocast server. It reconnects by itself, and hands out the newest pose once per frame, on the
    /// main thread.
    /// </summary>
    [AddComponentMenu("Myocast/Myocast Client")]
    [DefaultExecutionOrder(-100)]
    public sealed class MyocastClient : MonoBehaviour
    {
        private const int Devices = 4, Waiting = 64;

        [Tooltip("What `myocast serve` prints, like http://127.0.0.1:8765/#token=T")]
        [SerializeField] private string url = "http://127.0.0.1:8765/";
        [Tooltip("Leave empty if the address carries it, or the server has none.")]
        [SerializeField] private string token = "";
        [Tooltip("Comma list of pose, emg, imu, status")]
        [SerializeField] private string streams = "pose,status";
        [Tooltip("Poses per second at most; 0 = every pose")]
        [SerializeField] private float maxRate;
        [Tooltip("Binary messages (smaller), or JSON")]
        [SerializeField] private bool binary = true;
        [SerializeField] private UnityEvent onConnected = new UnityEvent();
        [SerializeField] private UnityEvent onDisconnected = new UnityEvent();
        [Tooltip("The server said no; the text says why.")]
        [SerializeField] private TextEvent onRefused = new TextEvent();

        private readonly HandPose[] newest = new HandPose[Devices];
        private readonly long[] taken = new long[Devices];
        private readonly Queue<object> messages = new Queue<object>(Waiting);
        private readonly List<object> round = new List<object>(Waiting);
        private IStreamLink link;
        private StreamState shown = StreamState.Closed;

        /// <summary>A new pose of any armband, once per frame at most, on the main thread. The object is used again.</summary>
        public event Action<HandPose> PoseChanged;
        public event Action<Hello> HelloReceived;
        public event Action<Status> StatusReceived;
        public event Action<Imu> ImuReceived;
        public event Action<Emg> EmgReceived;
        public event Action<Fault> FaultReceived;

        public string Url { get { return url; } set { url = value; } }
        public string Token { get { return token; } set { token = value; } }
        public string Streams { get { return streams; } set { streams = value; } }
        public float MaxRate { get { return maxRate; } set { maxRate = value; } }
        public bool Binary { get { return binary; } set { binary = value; } }
        public UnityEvent OnConnected { get { return onConnected; } }
        public UnityEvent OnDisconnected { get { return onDisconnected; } }
        public TextEvent OnRefused { get { return onRefused; } }

        public StreamState State { get { return shown; } }
        /// <summary>Why there is no connection now; empty while there is one.</summary>
        public string Problem { get { return link != null ? link.Problem : ""; } }
        /// <summary>The newest hello; null before the first.</summary>
        public Hello Hello { get { return link != null ? link.Session.Hello : null; } }

        /// <summary>The newest pose of an armband; null before the first.</summary>
        public HandPose Pose(int device)
        {
            return device >= 0 && device < Devices && taken[device] > 0 ? newest[device] : null;
        }

        /// <summary>Seconds from the newest EMG sample of a pose to its arrival here.</summary>
        public double Latency(HandPose pose)
        {
            return link != null ? pose.Received + link.Session.Offset.Seconds - pose.T : 0;
        }

        /// <summary>Replaces the subscription; it holds over reconnects.</summary>
        public void Subscribe(string names, float rate)
        {
            streams = names;
            maxRate = rate;
            if (link != null)
                link.Subscribe(names, rate);
        }

        private void OnEnable()
        {
            Array.Clear(taken, 0, Devices);
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
            session.EmgReceived += emg => Keep(emg.Copy());
            link.Start();
        }

        private void OnDisable()
        {
            if (link != null)
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
                Debug.LogError("Myocast: " + link.Problem, this);
                onRefused.Invoke(link.Problem);
            }
        }

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
            Raise(HelloReceived, message as Hello);
            Raise(StatusReceived, message as Status);
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
