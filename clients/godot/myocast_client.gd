extends Node
# A client of Myocast's stream (myocast.v1.binary). It comes back by itself after a lost connection.

# The newest pose after each frame in which one came. `points`: 21 Vector3 in metres, in MediaPipe's order; Godot's axes
# are those of the stream: the wrist at the origin, -Z along the hand, +Y out of its back.
signal pose_changed(points, pose)
signal hello_received(hello)
signal connected
signal disconnected
# An attempt failed or the connection was lost; `error` is connection_error.
signal connection_failed(error)
# The server could not use a message of this client, such as a label; `fault` is a dictionary with code and message.
signal fault_received(fault)

const POINTS = 21
const METRES_PER_MM = 0.001
const SMALLEST_MM = 0.001
const PROTOCOL = "myocast.v1.binary"
const LEFT = 1
const HELD = 2
const GAP = 4
const TRUTH = 8
const CONFIDENT = 16
const PING_S = 1.0
const KEPT_PINGS = 8
const SILENCE_S = 5.0
const FIRST_DELAY_S = 0.1
const LONGEST_DELAY_S = 1.0

export var address = "http://127.0.0.1:8765/"  # what `myocast serve` prints, token and all
export var token = ""
export var device = 0
export var max_rate = 0.0  # poses per second at most; 0 = every pose

var hello = null  # the last hello, a dictionary
var latest = null  # the newest pose of `device`, a dictionary as decode_pose makes it
var connection_error = null  # why there is no connection: a dictionary with code and message; null while there is one
var clock_offset = null  # seconds to add to this machine's time to get the server's; null before the first answer
var round_trip = null  # of the ping that clock_offset comes from, seconds: it is off by half of that at most
var poses = 0
var missed = 0  # poses of the server that did not come here

var _socket = null
var _retired = null  # the socket before, kept because it may be emitting the signal that ended it
var _open = false
var _delay = FIRST_DELAY_S
var _wait = 0.0
var _since_ping = 0.0
var _ping_id = 0
var _ping_sent = 0.0
var _pings = []  # [round trip, offset] of the last answers
var _goodbye = ""
var _anchor = OS.get_system_time_msecs() / 1000.0 - OS.get_ticks_usec() / 1000000.0
var _status_request = HTTPRequest.new()
var _silence = 0.0
var _last_seq = -1
var _newest = null


func _ready():
	_status_request.timeout = int(SILENCE_S)
	_status_request.connect("request_completed", self, "_on_status")
	add_child(_status_request)


func is_connected_to_server():
	return _open


func local_now():
	# Unix seconds of this machine that never step back.
	return _anchor + OS.get_ticks_usec() / 1000000.0


func server_now():
	# Unix seconds on the server's clock now; null before the first answer to a ping.
	return null if clock_offset == null else local_now() + clock_offset


func latency(pose):
	# Seconds from the newest EMG sample behind a pose to now, here; null before the first answer to a ping.
	# pose.age_ms ends when the server has encoded the message.
	return null if clock_offset == null else server_now() - pose.t


func send_label(label):
	# Tell the server where the hand really was, for it to learn from while a fit runs and to record. `label`: a dictionary
	# with `joints`, 63 numbers in mm as in a pose (or 21 Vector3 in metres, as pose_changed has them), or with `angles`,
	# degrees by name; and if you like `t`, when it was so on the server's clock (else now), `device` (else the one that is
	# shown), `hand`, the one that was seen ("left" or "right"; else the one that wears the band), `source`, what saw it, and
	# `confidence`, 0 to 1. Returns whether it was sent: not without a connection, nor without t before the server's clock is
	# known. The server answers only what it cannot use, with fault_received, code bad_label.
	var message = {"type": "label", "device": device, "t": server_now()}
	for key in label:
		message[key] = label[key]
	if message.get("joints") != null:
		message.joints = _millimetres(message.joints)
	return message.t != null and _send(message)


func send_marker(label, t = null):
	# Put a note into the server's recording, at `t` on the server's clock (else now). Returns whether it was sent.
	var message = {"type": "marker", "label": label}
	if t != null:
		message.t = t
	return _send(message)


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
		_lose("silent", "the server fell silent")


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


func _status_url():
	var base = stream_url().split("?")[0].trim_suffix("v1/stream")
	return base.replace("ws://", "http://").replace("wss://", "https://") + "api/v1/status"


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
	_goodbye = ""
	if _socket.connect_to_url(stream_url(), PoolStringArray([PROTOCOL]), false, _headers()) != OK:
		_lose("unreachable", "no address of a server: " + address)


func _headers():
	var headers = PoolStringArray()
	if _token() != "":
		headers.append("Authorization: Bearer " + _token())
	return headers


func _on_established(_protocol):
	_open = true
	_delay = FIRST_DELAY_S
	_status_request.cancel_request()
	connection_error = null
	clock_offset = null
	round_trip = null
	_pings = []
	_since_ping = PING_S
	emit_signal("connected")


func _on_closed(_clean):
	if _goodbye != "":
		_lose("stopping", _goodbye)
	elif _open:
		_lose("lost", "the connection was lost")
	else:
		_lose("", "")
		# A refused handshake does not say why; the API does.
		if _status_request.get_http_client_status() == HTTPClient.STATUS_DISCONNECTED:
			_status_request.request(_status_url(), _headers())


func _on_status(result, status, _response_headers, body):
	if result != HTTPRequest.RESULT_SUCCESS:
		return _fail("unreachable", "no server answers at " + address.split("#")[0])
	var parsed = JSON.parse(body.get_string_from_utf8())
	var has_error = parsed.error == OK and parsed.result is Dictionary and parsed.result.get("error") is Dictionary
	if status >= 400 and has_error:
		_fail(parsed.result.error.get("code", ""), parsed.result.error.get("message", ""))
	else:
		_fail("lost", "the server answers, but not its stream")


func _fail(code, message):
	if not _open:
		connection_error = {"code": code, "message": message}
		emit_signal("connection_failed", connection_error)


func _lose(code, message):
	# Without a code the reason is still to be asked for.
	var was_open = _open
	_open = false
	_retired = _socket
	_socket = null
	_wait = _delay
	_delay = min(2.0 * _delay, LONGEST_DELAY_S)
	if code != "":
		_fail(code, message)
	if was_open:
		emit_signal("disconnected")


func _ping(delta):
	_since_ping += delta
	if _since_ping >= PING_S:
		_since_ping = 0.0
		_ping_id += 1
		_ping_sent = local_now()
		_send({"type": "ping", "id": _ping_id})


func _send(message):
	if not _open:
		return false
	_socket.get_peer(1).set_write_mode(WebSocketPeer.WRITE_MODE_TEXT)
	return _socket.get_peer(1).put_packet(JSON.print(message).to_utf8()) == OK


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
		latest = pose


func _on_text(text):
	var parsed = JSON.parse(text)
	if parsed.error != OK or not parsed.result is Dictionary:
		return
	var message = parsed.result
	match message.get("type"):
		"hello":
			hello = message
			emit_signal("hello_received", message)
		"pong":
			if message.get("id") == _ping_id:
				_add_ping(_ping_sent, local_now(), message.t)
		"bye":
			_goodbye = message.reason
		"error":
			emit_signal("fault_received", {"code": message.get("code", ""), "message": message.get("message", "")})


func _add_ping(sent, received, server):
	_pings.append([received - sent, server - (sent + received) / 2.0])
	if _pings.size() > KEPT_PINGS:
		_pings.pop_front()
	var best = _pings[0]
	for ping in _pings:
		if ping[0] < best[0]:
			best = ping
	round_trip = best[0]
	clock_offset = best[1]


static func decode_pose(packet):
	# A pose record as a dictionary, null for anything else. `joints` and `truth`: 63 numbers in mm. `confidence`: 0..1,
	# lower where a larger error is expected; null where the model has no measure for it.
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
		"confidence": null,
	}
	reader.seek(40)
	pose.joints = _floats(reader)
	if flags & CONFIDENT:
		pose.confidence = reader.get_float()
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


static func _millimetres(joints):
	# As numbers of double precision, for those of a PoolRealArray would be written with fifteen digits.
	var values = []
	for joint in joints:
		if joint is Vector3:
			for axis in range(3):
				values.append(stepify(joint[axis] / METRES_PER_MM, SMALLEST_MM))
		else:
			values.append(stepify(joint, SMALLEST_MM))
	return values


static func _points(values):
	var points = PoolVector3Array()
	points.resize(POINTS)
	for i in range(POINTS):
		points[i] = Vector3(values[3 * i], values[3 * i + 1], values[3 * i + 2]) * METRES_PER_MM
	return points
