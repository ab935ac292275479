using System;

namespace Myocast.Unity
{
    /// <summary>What carries the stream on this platform.</summary>
    public interface IStreamLink : IDisposable
    {
        StreamSession Session { get; }
        StreamState State { get; }
        string Problem { get; }
        void Start();
        /// <summary>Called once per frame on the main thread.</summary>
        void Poll();
        void Subscribe(string streams, double maxRate);
    }

    public static class StreamLinks
    {
        /// <summary>Threads and sockets where there are any; in WebGL the browser's WebSocket through NativeWebSocket.</summary>
        /// <exception cref="FormatException">The address is none.</exception>
        public static IStreamLink Open(StreamOptions options)
        {
            StreamAddress.Parse(options.Url, options.Streams, options.MaxRate);
#if UNITY_WEBGL && !UNITY_EDITOR
#if MYOCAST_NATIVEWEBSOCKET
            return new BrowserLink(options);
#else
            throw new FormatException("a WebGL build needs the package com.endel.nativewebsocket; see Myocast's documentation");
#endif
#else
            return new ThreadLink(options);
#endif
        }
    }

    internal sealed class ThreadLink : IStreamLink
    {
        private readonly StreamClient client;

        public ThreadLink(StreamOptions options) { client = new StreamClient(options); }

        public StreamSession Session { get { return client.Session; } }
        public StreamState State { get { return client.State; } }
        public string Problem { get { return client.Problem; } }
        public void Start() { client.Start(); }
        public void Poll() { }
        public void Subscribe(string streams, double maxRate) { client.Subscribe(streams, maxRate); }
        public void Dispose() { client.Dispose(); }
    }
}
