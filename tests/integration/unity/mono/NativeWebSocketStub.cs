// As much of com.endel.nativewebsocket in a WebGL build as the package uses. NATIVEWEBSOCKET_2: as version 2 has it,
// whose members are those of the interface, and whose assembly is colyseus.nativewebsocket.
using System.Collections.Generic;
using System.Threading.Tasks;

namespace NativeWebSocket
{
    public delegate void WebSocketOpenEventHandler();
    public delegate void WebSocketMessageEventHandler(byte[] data);
    public delegate void WebSocketErrorEventHandler(string errorMsg);
    public delegate void WebSocketCloseEventHandler(WebSocketCloseCode closeCode);
    public class WebSocketException : System.Exception { }
    public enum WebSocketCloseCode { NotSet = 0, Normal = 1000 }

#if NATIVEWEBSOCKET_2
    public interface IWebSocket
    {
        event WebSocketOpenEventHandler OnOpen;
        event WebSocketMessageEventHandler OnMessage;
        event WebSocketErrorEventHandler OnError;
        event WebSocketCloseEventHandler OnClose;
        Task Connect();
        Task Close(WebSocketCloseCode code = WebSocketCloseCode.Normal, string reason = null);
        Task SendText(string message);
    }

    public class WebSocket : IWebSocket
#else
    public class WebSocket
#endif
    {
        public static WebSocket Last;
        public readonly string Url;
        public readonly string Subprotocol;
        public readonly List<string> Sent = new List<string>();
        public bool Closed;
        public event WebSocketOpenEventHandler OnOpen;
        public event WebSocketMessageEventHandler OnMessage;
        public event WebSocketErrorEventHandler OnError;
        public event WebSocketCloseEventHandler OnClose;

        public WebSocket(string url, string subprotocol, Dictionary<string, string> headers = null)
        {
            Url = url;
            Subprotocol = subprotocol;
            Last = this;
        }

        public Task Connect() { return Task.FromResult(0); }
        public Task SendText(string message) { Sent.Add(message); return Task.FromResult(0); }
        public Task Close(WebSocketCloseCode code = WebSocketCloseCode.Normal, string reason = null)
        {
            Closed = true;
            return Task.FromResult(0);
        }


        public void Open() { OnOpen(); }
        public void Message(byte[] data) { OnMessage(data); }
        public void Fail(int code) { OnError("failed"); OnClose((WebSocketCloseCode)code); }
    }
}
