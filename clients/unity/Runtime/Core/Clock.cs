using System;
using System.Collections.Generic;
using System.Diagnostics;
using System.Linq;

namespace Myocast
{
    /// <summary>This computer's time. May be called from any thread.</summary>
    public static class Clock
    {
        private static readonly double Anchor =
            (DateTime.UtcNow - new DateTime(1970, 1, 1, 0, 0, 0, DateTimeKind.Utc)).TotalSeconds - Monotonic();

        /// <summary>Unix seconds that never step back: the monotonic clock, set by the wall clock once at start.</summary>
        public static double Now() => Anchor + Monotonic();

        private static double Monotonic() => (double)Stopwatch.GetTimestamp() / Stopwatch.Frequency;
    }

    /// <summary>Estimates the server's clock minus this computer's from pings. Of the last eight answers, the one with
    /// the shortest round trip counts, because its error is at most half of that. May be called from any
    /// thread.</summary>
    public sealed class ClockOffsetEstimator
    {
        private const int Kept = 8;
        private readonly Queue<KeyValuePair<double, double>> tripsAndOffsets = new Queue<KeyValuePair<double, double>>();
        private double? best;

        /// <summary>Whether a ping was answered yet.</summary>
        public bool Known { get { lock (tripsAndOffsets) return best.HasValue; } }

        /// <summary>Seconds to add to this computer's time to get the server's; 0 before the first answer.</summary>
        public double Seconds { get { lock (tripsAndOffsets) return best ?? 0; } }

        /// <summary>Adds one answered ping: Unix seconds when it was sent and answered, on this computer's clock, and
        /// when the server read it, on the server's.</summary>
        public void Add(double sent, double received, double server)
        {
            lock (tripsAndOffsets)
            {
                if (tripsAndOffsets.Count == Kept)
                    tripsAndOffsets.Dequeue();
                tripsAndOffsets.Enqueue(new KeyValuePair<double, double>(received - sent, server - (sent + received) / 2));
                best = tripsAndOffsets.OrderBy(pair => pair.Key).First().Value;
            }
        }
    }
}
