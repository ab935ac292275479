// Runs an unmodified leapjs against a Leap endpoint and prints what it saw, as one JSON line.
// usage: node leap_peer.js MODULE PORT FRAMES
const [name, port, wanted] = process.argv.slice(2);
const Leap = require(name);
const controller = new Leap.Controller({ host: '127.0.0.1', port: Number(port), enableGestures: true, background: true });
const events = [];
for (const event of ['connect', 'ready', 'protocol', 'deviceAttached', 'deviceStreaming', 'streamingStarted'])
  controller.on(event, () => events.push(event));

function bone(b) {
  return { length: b.length, left: b.left(), matrix: Array.from(b.matrix()), direction: Array.from(b.direction()) };
}

function summary(frame) {
  return {
    id: frame.id, timestamp: frame.timestamp, rate: frame.currentFrameRate, valid: frame.valid,
    box: Array.from(frame.interactionBox.normalizePoint([0, 200, 0])),
    hands: frame.hands.map((hand) => ({
      id: hand.id, type: hand.type, pinch: hand.pinchStrength, grab: hand.grabStrength, palm: hand.palmPosition,
      velocity: hand.palmVelocity, angles: [hand.roll(), hand.pitch(), hand.yaw()], visible: hand.timeVisible,
      confidence: hand.confidence, arm: bone(hand.arm),
      fingers: hand.fingers.map((finger) => ({
        type: finger.type, extended: finger.extended, tip: finger.tipPosition, length: finger.length,
        bones: finger.bones.map(bone),
      })),
    })),
    pointables: frame.pointables.length, tools: (frame.tools || []).length,
  };
}

let first = null, frames = 0;
controller.on('frame', (frame) => {
  if (!frame.hands.length) return;
  first = first || frame;
  if (++frames < Number(wanted)) return;
  const motion = { translation: Array.from(frame.translation(first)), scale: frame.scaleFactor(first),
    angle: frame.hands[0].rotationAngle(first) };
  console.log(JSON.stringify({ events, frames, frame: summary(frame), motion }));
  process.exit(0);
});
controller.connect();
