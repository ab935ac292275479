using System;

namespace Myocast.Unity
{
    /// <summary>What transports the stream on this platform. All on the main thread, except the events of Session, which
    /// are raised on the thread that receives.</summary>
    public interface IStreamLink : IDisposable
    {
        /// <summary>What was received.</summary>
        StreamSession Session { get; }
        /// <summary>Whether there is a connection.</summary>
        StreamState State { get; }
        /// <summary>Why there is no connection now, in one line; empty while there is one.</summary>
        string ConnectionError { get; }
        /// <summary>Begins to connect, and returns.</summary>
        void Start();
        /// <summary>Does what is due; called once per frame.</summary>
        void Poll();
        /// <summary>Replaces the subscription, now and after every reconnect.</summary>
        void Subscribe(string streams, double maxRate);
        /// <summary>Sends a label or marker; false, and nothing is sent, without a connection.</summary>
        bool Send(string message);
    }

    /// <summary>Chooses the transport for this platform. Main thread only.</summary>
    public static class StreamLinks
    {
        /// <summary>Makes the transport of WebGL builds. The assembly Myocast.Unity.WebGL sets it, if NativeWebSocket is
        /// installed.</summary>
        public static Func<StreamOptions, IStreamLink> Browser;

        /// <summary>ClientWebSocket where there are sockets; in WebGL the browser's WebSocket.</summary>
        /// <exception cref="FormatException">The options are not valid, or the build lacks NativeWebSocket.</exception>
        public static IStreamLink Open(StreamOptions options)
        {
            options.ToAddress();
#if UNITY_WEBGL && !UNITY_EDITOR
            if (Browser == null)
                throw new FormatException("a WebGL build needs the package com.endel.nativewebsocket; add it in the Package "
                    + "Manager from https://github.com/endel/NativeWebSocket.git#upm-2");
            return Browser(options);
#else
            return new SocketLink(options);
#endif
        }
    }

    internal sealed class SocketLink : IStreamLink
    {
        private readonly StreamClient client;

        public SocketLink(StreamOptions options) { client = new StreamClient(options); }

        public StreamSession Session => client.Session;
        public StreamState State => client.State;
        public string ConnectionError => client.ConnectionError;
        public void Start() => client.Start();
        public void Poll() { }
        public void Subscribe(string streams, double maxRate) => client.Subscribe(streams, maxRate);
        public bool Send(string message) => client.Send(message);
        public void Dispose() => client.Dispose();
    }
}
