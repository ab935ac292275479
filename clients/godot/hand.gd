extends Spatial
# Draws the hand: a ball at each point and a rod for each bone.
#
#   godot3 --path clients/godot                                       a server on this computer
#   godot3 --path clients/godot --address=http://HOST:PORT/#token=T   another one
#   godot3-server --path clients/godot --poses=200                    counts poses without a window, prints and quits

const PARENTS = [-1, 0, 1, 2, 3, 0, 5, 6, 7, 0, 9, 10, 11, 0, 13, 14, 15, 0, 17, 18, 19]
const BALL = 0.008
const ROD = 0.005

var _balls = []
var _rods = []
var _wanted = 0
var _shown = 0
var _said = ""


func _ready():
	for argument in OS.get_cmdline_args():
		if argument.begins_with("--address="):
			$Client.address = argument.substr(10)
		if argument.begins_with("--poses="):
			_wanted = int(argument.substr(8))
	var skin = SpatialMaterial.new()
	skin.albedo_color = Color(0.87, 0.66, 0.53)
	for i in range(PARENTS.size()):
		_balls.append(_part(_ball(), skin))
		_rods.append(_part(_rod(), skin) if PARENTS[i] >= 0 else null)
	$Client.connect("pose_changed", self, "_show")
	$Client.connect("connection_failed", self, "_say")


func _say(error):
	if error.message != _said:
		print("Myocast: ", error.message)
	_said = error.message


func _show(points, pose):
	for i in range(PARENTS.size()):
		_balls[i].translation = points[i]
		if _rods[i] != null:
			_stretch(_rods[i], points[PARENTS[i]], points[i])
	_shown += 1
	if _wanted > 0 and $Client.poses >= _wanted:
		_report(pose)


func _report(pose):
	var ends = []
	for i in [0, 4, 20]:
		ends.append([_balls[i].translation.x, _balls[i].translation.y, _balls[i].translation.z])
	print(JSON.print({
		"poses": $Client.poses, "missed": $Client.missed, "shown": _shown, "seq": pose.seq, "sample": pose.sample,
		"t": pose.t, "left": pose.left, "truth": pose.truth != null, "points": ends,
		"confidence": pose.confidence,
		"clock_offset": $Client.clock_offset, "round_trip": $Client.round_trip, "latency": $Client.latency(pose),
	}))
	get_tree().quit()


func _part(mesh, material):
	var part = MeshInstance.new()
	part.mesh = mesh
	part.material_override = material
	add_child(part)
	return part


func _ball():
	var mesh = SphereMesh.new()
	mesh.radius = BALL
	mesh.height = 2 * BALL
	return mesh


func _rod():
	var mesh = CylinderMesh.new()
	mesh.top_radius = ROD
	mesh.bottom_radius = ROD
	mesh.height = 1.0
	return mesh


func _stretch(rod, from, to):
	# A cylinder stands along Y and is 1 m high.
	var along = to - from
	if along.length() < 0.0001:
		return
	var side = along.cross(Vector3.UP if abs(along.normalized().y) < 0.9 else Vector3.RIGHT).normalized()
	rod.transform = Transform(Basis(side, along, side.cross(along).normalized()), (from + to) / 2.0)
