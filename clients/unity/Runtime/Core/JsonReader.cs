using System;
using System.Collections.Generic;
using System.Globalization;
using System.Text;

namespace Myocast
{
    /// <summary>A message that does not keep to the contract.</summary>
    public sealed class DecodeException : Exception
    {
        public DecodeException(string message) : base(message) { }
    }

    /// <summary>Reads JSON from UTF-8 bytes, pull by pull. Numbers, keys and skipping allocate nothing.</summary>
    internal sealed class JsonReader
    {
        private const int MaxDepth = 32;
        private static readonly double[] Tens =
        {
            1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18,
            1e19, 1e20, 1e21, 1e22,
        };
        private byte[] data = new byte[0];
        private int at;
        private int end;
        private int keyStart;
        private int keyCount;

        public void Reset(byte[] bytes, int offset, int count)
        {
            data = bytes;
            at = offset;
            end = offset + count;
        }

        /// <summary>Where reading goes on; set it back to read a value again.</summary>
        public int Mark
        {
            get { return at; }
            set { at = value; }
        }

        public bool IsNumber
        {
            get
            {
                var next = Peek();
                return next == '-' || (next >= '0' && next <= '9');
            }
        }

        public void BeginObject() { Expect((byte)'{'); }

        public void BeginArray() { Expect((byte)'['); }

        /// <summary>Goes to the next key of the object begun; false at its end.</summary>
        public bool NextKey()
        {
            if (!NextItem((byte)'{', (byte)'}'))
                return false;
            keyStart = at + 1;
            SkipString();
            keyCount = at - 1 - keyStart;
            Expect((byte)':');
            return true;
        }

        /// <summary>Goes to the next element of the array begun; false at its end.</summary>
        public bool NextElement() { return NextItem((byte)'[', (byte)']'); }

        public bool KeyIs(string ascii)
        {
            if (keyCount != ascii.Length)
                return false;
            for (var i = 0; i < keyCount; i++)
                if (data[keyStart + i] != ascii[i])
                    return false;
            return true;
        }

        /// <summary>Whether the next value is this string, without making one; it is read either way.</summary>
        public bool TextIs(string ascii)
        {
            if (Peek() != '"')
                throw Bad("a string");
            var start = at + 1;
            SkipString();
            if (at - 1 - start != ascii.Length)
                return false;
            for (var i = 0; i < ascii.Length; i++)
                if (data[start + i] != ascii[i])
                    return false;
            return true;
        }

        /// <summary>Reads `null` if it is next.</summary>
        public bool Null()
        {
            if (Peek() != 'n')
                return false;
            Word("null");
            return true;
        }

        public bool Bool()
        {
            if (Peek() == 't')
            {
                Word("true");
                return true;
            }
            Word("false");
            return false;
        }

        public double Number()
        {
            Peek();
            var start = at;
            var negative = Take('-');
            ulong whole = 0, fraction = 0;
            var digits = Digits(ref whole);
            var decimals = 0;
            var counted = digits;
            if (counted == 0)
                throw Bad("a number");
            if (Take('.'))
            {
                decimals = Digits(ref fraction);
                if (decimals == 0)
                    throw Bad("a digit");
                counted += decimals;
            }
            if (counted > 30 || digits > 15 || decimals > 15 || (at < end && (data[at] == 'e' || data[at] == 'E')))
                return Slow(start);
            // Below 2^53 and 10^22 both steps are exact but for the last rounding (Clinger, 1990). A number with more
            // digits is split at its point; the error of its fraction is far below half a unit of the sum.
            var value = counted <= 15
                ? (whole * (ulong)Tens[decimals] + fraction) / Tens[decimals]
                : whole + fraction / Tens[decimals];
            return negative ? -value : value;
        }

        public long Integer()
        {
            Peek();
            var negative = Take('-');
            ulong value = 0;
            if (Digits(ref value) == 0)
                throw Bad("an integer");
            if (at < end && (data[at] == '.' || data[at] == 'e' || data[at] == 'E'))
                throw Bad("an integer");
            return negative ? -(long)value : (long)value;
        }

        /// <summary>Reads an array of numbers; returns how many, never more than fit.</summary>
        public int Floats(float[] into, int offset)
        {
            BeginArray();
            var count = 0;
            while (NextElement())
            {
                if (offset + count == into.Length)
                    throw Bad("fewer numbers");
                into[offset + count++] = (float)Number();
            }
            return count;
        }

        public string Text()
        {
            if (Peek() != '"')
                throw Bad("a string");
            var start = at + 1;
            SkipString();
            var count = at - 1 - start;
            return Array.IndexOf(data, (byte)'\\', start, count) < 0
                ? Encoding.UTF8.GetString(data, start, count)
                : Unescape(Encoding.UTF8.GetString(data, start, count));
        }

        /// <summary>A string, or null.</summary>
        public string TextOrNull() { return Null() ? null : Text(); }

        public string[] Texts()
        {
            var texts = new List<string>();
            BeginArray();
            while (NextElement())
                texts.Add(Text());
            return texts.ToArray();
        }

        /// <summary>Passes over one value of any kind.</summary>
        public void Skip() { Skip(0); }

        public void End()
        {
            SpaceOver();
            if (at != end)
                throw Bad("the end");
        }

        private void Skip(int depth)
        {
            if (depth > MaxDepth)
                throw Bad("less nesting");
            switch ((char)Peek())
            {
                case '"': SkipString(); break;
                case '{':
                    BeginObject();
                    while (NextKey())
                        Skip(depth + 1);
                    break;
                case '[':
                    BeginArray();
                    while (NextElement())
                        Skip(depth + 1);
                    break;
                case 'n': Word("null"); break;
                case 't': Word("true"); break;
                case 'f': Word("false"); break;
                default: Number(); break;
            }
        }

        private bool NextItem(byte opening, byte closing)
        {
            var next = Peek();
            if (next == closing)
            {
                at++;
                return false;
            }
            // Right after the opening bracket there is no comma.
            var first = LastToken() == opening;
            if (first == (next == ','))
                throw Bad(first ? "a value" : "a comma");
            if (!first)
            {
                at++;
                if (Peek() == closing)
                    throw Bad("a value");
            }
            return true;
        }

        private byte LastToken()
        {
            var back = at - 1;
            while (back >= 0 && IsSpace(data[back]))
                back--;
            return back >= 0 ? data[back] : (byte)0;
        }

        private int Digits(ref ulong value)
        {
            var start = at;
            while (at < end && data[at] >= '0' && data[at] <= '9')
            {
                value = unchecked(value * 10 + (ulong)(data[at] - '0'));
                at++;
            }
            return at - start;
        }

        private double Slow(int start)
        {
            while (at < end && (data[at] == '+' || data[at] == '-' || data[at] == '.' || data[at] == 'e'
                || data[at] == 'E' || (data[at] >= '0' && data[at] <= '9')))
                at++;
            double value;
            var text = Encoding.ASCII.GetString(data, start, at - start);
            if (!double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out value))
                throw Bad("a number");
            return value;
        }

        private void SkipString()
        {
            Expect((byte)'"');
            while (at < end && data[at] != '"')
                at += data[at] == '\\' ? 2 : 1;
            Expect((byte)'"');
        }

        private static string Unescape(string text)
        {
            var plain = new StringBuilder(text.Length);
            for (var i = 0; i < text.Length; i++)
            {
                if (text[i] != '\\')
                {
                    plain.Append(text[i]);
                    continue;
                }
                i++;
                var k = "bfnrt\"\\/".IndexOf(text[i]);
                if (k >= 0)
                {
                    plain.Append("\b\f\n\r\t\"\\/"[k]);
                    continue;
                }
                int code;
                if (text[i] != 'u' || i + 4 >= text.Length
                    || !int.TryParse(text.Substring(i + 1, 4), NumberStyles.HexNumber, CultureInfo.InvariantCulture, out code))
                    throw new DecodeException("a string has an escape that is none");
                plain.Append((char)code);
                i += 4;
            }
            return plain.ToString();
        }

        private void Word(string ascii)
        {
            foreach (var c in ascii)
                if (at >= end || data[at++] != c)
                    throw Bad(ascii);
        }

        private bool Take(char c)
        {
            if (at >= end || data[at] != c)
                return false;
            at++;
            return true;
        }

        private void Expect(byte c)
        {
            if (Peek() != c)
                throw Bad(((char)c).ToString());
            at++;
        }

        private byte Peek()
        {
            SpaceOver();
            if (at >= end)
                throw Bad("more");
            return data[at];
        }

        private void SpaceOver()
        {
            while (at < end && IsSpace(data[at]))
                at++;
        }

        private static bool IsSpace(byte c) { return c == ' ' || c == '\n' || c == '\r' || c == '\t'; }

        private DecodeException Bad(string expected)
        {
            return new DecodeException("not a message of myocast.v1: expected " + expected + " at byte " + at);
        }
    }
}
