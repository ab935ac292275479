extends Node
# A client of Myocast's stream (myocast.v1.binary). It comes back by itself after a lost connection.

# The newest pose after each frame in which one came. `points`: 21 Vector3 in metres, in MediaPipe's order; Godot's axes
# are those of the stream: the wrist at the origin, -Z along the hand, +Y out of its back.
signal pose_changed(points, pose)
signal hello_received(hello)
signal connected
signal disconnected

const POINTS = 21
const METRES_PER_MM = 0.001
const PROTOCOL = "myocast.v1.binary"
const LEFT = 1
const HELD = 2
const GAP = 4
const TRUTH = 8
const PING_S = 1.0
const SILENCE_S = 5.0
const FIRST_DELAY_S = 0.1
const LONGEST_DELAY_S = 1.0

export var address = "http://127.0.0.1:8765/"  # what `myocast serve` prints, token and all
export var token = ""
export var device = 0
export var max_rate = 0.0  # poses per second at most; 0 = every pose

var poses = 0
var missed = 0  # poses of the server that did not come here

var _socket = null
var _open = false
var _delay = FIRST_DELAY_S
var _wait = 0.0
var _since_ping = 0.0
var _silence = 0.0
var _last_seq = -1
var _newest = null


func _process(delta):
	# The first connection is made here, too, so that other nodes can set the address in their _ready.
	if _socket == null:
		_wait -= delta
		if _wait <= 0.0:
			_connect()
		return
	_silence += delta
	_socket.poll()
	if _newest != null:
		var pose = _newest
		_newest = null
		emit_signal("pose_changed", _points(pose.joints), pose)
	if _open:
		_ping(delta)
	if _socket != null and _silence > SILENCE_S:
		_lose()


func stream_url():
	# From the address as people have it: http or ws, with or without a path, the token after #.
	var url = address.split("#")[0].replace("http://", "ws://").replace("https://", "wss://")
	if not "://" in url:
		url = "ws://" + url
	var query = url.split("?")
	var base = query[0]
	if base.find("/", base.find("://") + 3) < 0:
		base += "/"
	if base.ends_with("/") and base.count("/") == 3:
		base += "v1/stream"
	var wanted = "?streams=pose"
	if max_rate > 0.0:
		wanted += "&max_rate=" + str(max_rate)
	return base + wanted


func _token():
	if token != "" or not "#token=" in address:
		return token
	return address.split("#token=")[1].percent_decode()


func _connect():
	_socket = WebSocketClient.new()
	_socket.connect("connection_established", self, "_on_established")
	_socket.connect("connection_closed", self, "_on_closed")
	_socket.connect("connection_error", self, "_on_closed", [false])
	_socket.connect("data_received", self, "_on_data")
	_silence = 0.0
	var headers = PoolStringArray()
	if _token() != "":
		headers.append("Authorization: Bearer " + _token())
	if _socket.connect_to_url(stream_url(), PoolStringArray([PROTOCOL]), false, headers) != OK:
		_lose()


func _on_established(_protocol):
	_open = true
	_delay = FIRST_DELAY_S
	emit_signal("connected")


func _on_closed(_clean):
	_lose()


func _lose():
	if _open:
		emit_signal("disconnected")
	_open = false
	_socket = null
	_wait = _delay
	_delay = min(2.0 * _delay, LONGEST_DELAY_S)


func _ping(delta):
	_since_ping += delta
	if _since_ping >= PING_S:
		_since_ping = 0.0
		_socket.get_peer(1).set_write_mode(WebSocketPeer.WRITE_MODE_TEXT)
		_socket.get_peer(1).put_packet('{"type":"ping"}'.to_utf8())


func _on_data():
	_silence = 0.0
	var peer = _socket.get_peer(1)
	var packet = peer.get_packet()
	if peer.was_string_packet():
		_on_text(packet.get_string_from_utf8())
		return
	var pose = decode_pose(packet)
	if pose != null and pose.device == device:
		if _last_seq >= 0 and pose.seq > _last_seq:
			missed += pose.seq - _last_seq - 1
		_last_seq = pose.seq
		poses += 1
		_newest = pose


func _on_text(text):
	var parsed = JSON.parse(text)
	if parsed.error == OK and parsed.result is Dictionary and parsed.result.get("type") == "hello":
		emit_signal("hello_received", parsed.result)


static func decode_pose(packet):
	# A pose record as a dictionary, null for anything else. `joints` and `truth`: 63 numbers in mm.
	if packet.size() < 296 or packet[0] != 1 or packet[1] != 1:
		return null
	var reader = StreamPeerBuffer.new()
	reader.data_array = packet
	reader.seek(2)
	var flags = reader.get_u16()
	if packet.size() != (548 if flags & TRUTH else 296):
		return null
	var pose = {
		"left": bool(flags & LEFT), "held": bool(flags & HELD), "gap": bool(flags & GAP), "seq": reader.get_u32(),
		"sample": reader.get_u64(), "t": reader.get_double(), "age_ms": reader.get_float(),
		"infer_ms": reader.get_float(), "skipped": reader.get_u32(), "device": reader.get_u8(), "truth": null,
	}
	reader.seek(40)
	pose.joints = _floats(reader)
	if flags & TRUTH:
		reader.seek(296)
		pose.truth = _floats(reader)
	return pose


static func _floats(reader):
	var values = PoolRealArray()
	values.resize(3 * POINTS)
	for i in range(3 * POINTS):
		values[i] = reader.get_float()
	return values


static func _points(values):
	var points = PoolVector3Array()
	points.resize(POINTS)
	for i in range(POINTS):
		points[i] = Vector3(values[3 * i], values[3 * i + 1], values[3 * i + 2]) * METRES_PER_MM
	return points
