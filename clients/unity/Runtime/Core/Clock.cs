using System;
using System.Diagnostics;

namespace Myocast
{
    /// <summary>Unix seconds that never step back: the monotonic clock, anchored once.</summary>
    public static class Clock
    {
        private static readonly double Anchor =
            (DateTime.UtcNow - new DateTime(1970, 1, 1, 0, 0, 0, DateTimeKind.Utc)).TotalSeconds - Monotonic();

        public static double Now() { return Anchor + Monotonic(); }

        private static double Monotonic() { return (double)Stopwatch.GetTimestamp() / Stopwatch.Frequency; }
    }

    /// <summary>The server's clock minus ours: the answer with the shortest round trip among the last eight.</summary>
    public sealed class ClockOffset
    {
        private const int Kept = 8;
        private readonly double[] trips = new double[Kept];
        private readonly double[] offsets = new double[Kept];
        private long answers;

        public bool Known { get { return answers > 0; } }

        /// <summary>Takes in one ping: our times when it was sent and answered, the server's when it read it.</summary>
        public void Add(double sent, double received, double server)
        {
            lock (trips)
            {
                trips[answers % Kept] = received - sent;
                offsets[answers % Kept] = server - (sent + received) / 2;
                answers++;
            }
        }

        /// <summary>Add this to our time to get the server's; 0 before the first answer.</summary>
        public double Seconds
        {
            get
            {
                lock (trips)
                {
                    var best = 0;
                    for (var i = 1; i < Kept && i < answers; i++)
                        if (trips[i] < trips[best])
                            best = i;
                    return offsets[best];
                }
            }
        }
    }
}
