/**
 * The text messages of the stream as they are on the wire.
 *
 * Generated from service/schemas by `npm run generate`; do not edit.
 */

/**
 * What the stream carries: always first, always text, and again whenever anything in it changes. device, model and pose are those of armband 0.
 */
export interface Hello {
  type: "hello";
  protocol: "myocast.v1";
  /**
   * Version of the server
   */
  server: string;
  /**
   * New at each start of the server; if it is the same after a reconnect, seq and sample continue
   */
  session: string;
  /**
   * The server's time now, Unix seconds on the server's monotonic clock
   */
  t: number;
  device: null | DeviceInfo;
  model: null | ModelInfo;
  pose: null | PoseInfo;
  /**
   * One entry for each armband
   */
  devices: {
    device: null | DeviceInfo;
    model: null | ModelInfo;
    pose: null | PoseInfo;
  }[];
  streams: ("pose" | "emg" | "imu" | "status")[];
  encoding: "json" | "binary";
}
export interface DeviceInfo {
  /**
   * URI of the source
   */
  uri: string;
  /**
   * Name of the device
   */
  name: string;
  channels: 8;
  /**
   * Nominal samples per second; 0 while not known
   */
  rate_hz: number;
  unit: "adc" | "uV";
  emg_mode: "raw" | "filtered" | "envelope";
  /**
   * The arm that wears the band
   */
  hand: "left" | "right";
}
export interface ModelInfo {
  /**
   * Name of the model
   */
  name: string;
  sha256: string;
  kind: "window" | "stream";
  /**
   * Samples per window; 0 for a streaming model
   */
  window: number;
  /**
   * Samples between two poses
   */
  hop: number;
  /**
   * Samples per second that it runs at: those of the source, where it adapts to them
   */
  rate_hz: number;
  /**
   * Trainable parameters
   */
  parameters: number;
  /**
   * How the signal is brought to the model's: null where it has the model's rate and unit
   */
  adapted?: null | AdaptedInfo;
}
export interface AdaptedInfo {
  /**
   * Samples per second that the model's time constants are written for
   */
  rate_hz: number;
  /**
   * Factor to the level of the model's own armband
   */
  gain: number;
  /**
   * What the gain was found from
   */
  from: "running level" | "alignment" | "?gain=";
}
export interface PoseInfo {
  points: 21;
  order: "mediapipe21";
  unit: "mm";
  frame: "hand";
  /**
   * Poses per second that fall due
   */
  rate_hz: number;
  /**
   * The filter behind the model; null where there is none
   */
  filter: null | FilterInfo;
  /**
   * By how much a pose is behind the hand, model and filter together, ms, as measured when the model was exported; negative where it is ahead, null where that is not known
   */
  lag_ms: number | null;
}
export interface FilterInfo {
  name: "one_euro";
  /**
   * Cutoff for a hand that rests
   */
  min_cutoff_hz: number;
  /**
   * Hz that the cutoff grows by for each mm/s of a fingertip
   */
  beta: number;
  /**
   * Low-passes behind each other
   */
  stages: number;
  /**
   * By how much it delays the hand, ms
   */
  lag_ms: number;
}

/**
 * One pose of one hand.
 */
export interface PoseText {
  type: "pose";
  /**
   * Index of the armband
   */
  device: number;
  /**
   * Number of the pose since the server started; a jump = poses that this client did not get
   */
  seq: number;
  /**
   * Index of the newest EMG sample used, counted as in emg
   */
  sample: number;
  /**
   * Time of exactly that sample, Unix seconds on the server's monotonic clock
   */
  t: number;
  /**
   * Milliseconds from the arrival of that sample in the server to the encoding of this message
   */
  age_ms: number;
  /**
   * Milliseconds of inference
   */
  infer_ms: number;
  /**
   * Windows skipped just before this one because a newer one was due
   */
  skipped: number;
  /**
   * connecting: no sample yet; stalled: 0.5 s without one; reconnecting: the link was given up and is being made again; failed: see error
   */
  state: "connecting" | "live" | "stalled" | "reconnecting" | "replay" | "paused" | "ended" | "failed";
  /**
   * The arm that wears the band
   */
  hand: "left" | "right";
  /**
   * x0 y0 z0 x1 ... of 21 points in MediaPipe's order, mm, frame hand, rounded to 0.01 mm
   */
  joints: number[];
  /**
   * The measured pose of the hand, if the session has it
   */
  truth?: number[];
  /**
   * The first pose after a gap or seek; absent when false
   */
  gap?: true;
  /**
   * Repeated by a hold policy; absent when false
   */
  held?: true;
  /**
   * Lower where a larger error is expected; 0.5 = as far off as a still hand. Absent where the model has no measure for it
   */
  confidence?: number;
}

/**
 * Consecutive EMG samples, one message per 10-50 ms.
 */
export interface EmgText {
  type: "emg";
  /**
   * Index of the armband
   */
  device: number;
  /**
   * Index of the first row
   */
  sample: number;
  /**
   * Time of the first row, Unix seconds on the server's monotonic clock
   */
  t: number;
  /**
   * Samples per second
   */
  rate_hz: number;
  samples: [number, number, number, number, number, number, number, number][];
}

/**
 * One inertial sample.
 */
export interface Imu {
  type: "imu";
  /**
   * Index of the armband
   */
  device: number;
  /**
   * Unix seconds on the server's monotonic clock
   */
  t: number;
  /**
   * w x y z
   *
   * @minItems 4
   * @maxItems 4
   */
  quaternion: [number, number, number, number];
  /**
   * x y z in g
   *
   * @minItems 3
   * @maxItems 3
   */
  acceleration_g: [number, number, number];
  /**
   * x y z in degrees per second
   *
   * @minItems 3
   * @maxItems 3
   */
  gyro_dps: [number, number, number];
}

/**
 * How an armband and this client's connection are doing: at once on subscribing, on every change and once a second.
 */
export interface Status {
  type: "status";
  /**
   * Index of the armband
   */
  device: number;
  /**
   * Unix seconds on the server's monotonic clock
   */
  t: number;
  /**
   * connecting: no sample yet; stalled: 0.5 s without one; reconnecting: the link was given up and is being made again; failed: see error
   */
  state: "connecting" | "live" | "stalled" | "reconnecting" | "replay" | "paused" | "ended" | "failed";
  /**
   * Samples per second of real time
   */
  rate_hz: number;
  /**
   * Samples that were lost on the way
   */
  lost: number;
  /**
   * Charge of the armband in percent; null if unknown
   */
  battery: null | number;
  /**
   * Clients connected to the stream
   */
  clients: number;
  /**
   * Messages dropped because this client was too slow
   */
  dropped: number;
  recording: null | {
    /**
     * Name of the recording
     */
    name: string;
    /**
     * Seconds recorded so far
     */
    seconds: number;
    /**
     * Bytes written so far
     */
    bytes: number;
  };
  replay: null | {
    /**
     * Position in the recording, in seconds
     */
    position_s: number;
    /**
     * Length of the recording, in seconds
     */
    duration_s: number;
    /**
     * Recorded seconds per second of real time
     */
    speed: number;
    /**
     * Starts again at the end
     */
    loop: boolean;
  };
  error: null | {
    /**
     * Machine-readable code
     */
    code: string;
    /**
     * One line for people
     */
    message: string;
  };
  alignment?: AlignmentInfo;
  personal?: PersonalInfo;
  /**
   * Quality of the signal's last five seconds; null before there is a second of it
   */
  signal?: null | {
    channels: {
      /**
       * From 1
       */
      channel: number;
      /**
       * flat: no signal; railed: clipped; noisy: loud at rest; hum: mains; copy: shows what another channel shows
       */
      state: "good" | "flat" | "railed" | "noisy" | "hum" | "copy";
      /**
       * Of the signal without its mean, in its unit
       */
      rms: number;
      /**
       * What to do; empty where it is good
       */
      hint: string;
    }[];
    /**
     * Samples per second of real time
     */
    rate_hz: number;
    /**
     * Samples that were lost on the way
     */
    lost: number;
  };
  /**
   * Labels of the hand; null where none came and none are expected
   */
  labels?: null | LabelsInfo;
}
/**
 * How the band sits on the arm, and the cue that runs
 */
export interface AlignmentInfo {
  /**
   * Index of the armband
   */
  device: number;
  /**
   * none: as the model file says; failed: see error
   */
  state: "none" | "running" | "done" | "failed";
  /**
   * What the wearer is asked to do now
   */
  cue:
    | null
    | (
        | "rest"
        | "fist"
        | "extension"
        | "flexion"
        | "open"
        | "index"
        | "middle"
        | "ring"
        | "pinky"
        | "thumb"
        | "point"
        | "pinch"
      );
  /**
   * prepare: getting there, not measured yet
   */
  phase: null | ("prepare" | "hold");
  /**
   * Seconds of signal until the cue is over
   */
  left_s: number;
  /**
   * All that are asked for, in order
   */
  cues: (
    | "rest"
    | "fist"
    | "extension"
    | "flexion"
    | "open"
    | "index"
    | "middle"
    | "ring"
    | "pinky"
    | "thumb"
    | "point"
    | "pinch"
  )[];
  /**
   * Why the cue is asked for again: it was not done, or the signal was interrupted; no_signal while none comes
   */
  again: null | {
    cue:
      | "rest"
      | "fist"
      | "extension"
      | "flexion"
      | "open"
      | "index"
      | "middle"
      | "ring"
      | "pinky"
      | "thumb"
      | "point"
      | "pinch";
    code: "nothing_moved" | "moved_during_rest" | "dead_channel" | "interrupted" | "no_signal";
    /**
     * One line for people
     */
    message: string;
  };
  /**
   * What was found or given; its parts are null where a matrix was given
   */
  result: null | {
    /**
     * Channels by which the band is turned against the model's template
     */
    turn_channels: null | number;
    /**
     * The same in degrees: negative towards the thumb of the arm that wears the band
     */
    turn_deg: null | number;
    /**
     * The ring runs the other way
     */
    mirrored: null | boolean;
    /**
     * Correlation with the template, at most 1
     */
    score: null | number;
    /**
     * Factors of the channels
     */
    gains: null | [number, number, number, number, number, number, number, number];
    /**
     * 8 x 8, row by row: aligned = envelope . matrix
     */
    matrix: number[];
    /**
     * Factor before the matrix that brings the signal to the model's level; null where it has the model's rate and unit
     */
    gain?: null | number;
  };
  /**
   * Whether poses are made with the result
   */
  applied: boolean;
  /**
   * Why it failed
   */
  error: null | {
    code: string;
    /**
     * One line for people
     */
    message: string;
  };
}
/**
 * What is learned from labels
 */
export interface PersonalInfo {
  /**
   * Index of the armband
   */
  device: number;
  /**
   * ready: poses come from what was learned; failed: see error
   */
  state: "none" | "learning" | "ready" | "failed";
  /**
   * Seconds of labels
   */
  seconds: number;
  /**
   * Labels that were learned from
   */
  labels: number;
  /**
   * By how much labels are later than the EMG, and were brought forward; negative: earlier; null while that is not known
   */
  lag_ms: null | number;
  /**
   * Error of the model as it was, on the seconds held back
   */
  before: {
    /**
     * Mean over the labelled angles, degrees; null before any was held back
     */
    angle_mae_deg: null | number;
    /**
     * Mean distance of the points, mm; null where labels have no points
     */
    mpjpe_mm: null | number;
  };
  /**
   * Error of what was learned from the other seconds, on the same ones
   */
  after: {
    /**
     * Mean over the labelled angles, degrees; null before any was held back
     */
    angle_mae_deg: null | number;
    /**
     * Mean distance of the points, mm; null where labels have no points
     */
    mpjpe_mm: null | number;
  };
  /**
   * Why it failed or, while it learns, what it waits for: no_signal, no_labels, wrong_clock
   */
  error: null | {
    code: string;
    /**
     * One line for people
     */
    message: string;
  };
}
/**
 * Labels of the hand while they come
 */
export interface LabelsInfo {
  /**
   * What they come from: webcam, leap, hts, prompts, or what a client says
   */
  source: string;
  /**
   * waiting: none came yet; missing: they came, and none for a second
   */
  state: "waiting" | "coming" | "missing";
  /**
   * Labels so far
   */
  labels: number;
  /**
   * Labels a second, over the last two
   */
  rate_hz: number;
  /**
   * By how much they are later than the EMG; negative: earlier; null while that is not known
   */
  lag_ms: null | number;
  /**
   * One line for people: why there are none; empty while they come
   */
  message: string;
  /**
   * What the wearer is asked to do; null where nobody is asked
   */
  prompt: null | PromptInfo;
}
/**
 * What the wearer is asked to do now, ten times a second
 */
export interface PromptInfo {
  /**
   * Name of the pose, like fist or index
   */
  pose: string;
  /**
   * How much of the pose this movement ends at, 0..1
   */
  level: number;
  /**
   * How much of it the ghost hand makes now, 0..1
   */
  now: number;
  /**
   * The next movement; null after the last
   */
  next: null | {
    pose: string;
    /**
     * 0..1
     */
    level: number;
    /**
     * Seconds until it begins
     */
    in_s: number;
  };
  /**
   * Seconds to the end
   */
  left_s: number;
  /**
   * Of the ghost hand, degrees, by the names of angles like index_mcp_fe
   */
  angles: {
    [k: string]: number;
  };
  /**
   * Of the ghost hand, of average size: 21 points x y z in mm, frame `hand`, of the hand that wears the band
   */
  joints: number[];
}

/**
 * Sent before a planned close.
 */
export interface Bye {
  type: "bye";
  /**
   * Why the connection is closed
   */
  reason: string;
}

/**
 * The answer to a ping.
 */
export interface Pong {
  type: "pong";
  /**
   * The ping's id, any JSON value
   */
  id: unknown;
  /**
   * When the ping was read, Unix seconds on the server's monotonic clock
   */
  t: number;
}

/**
 * A message of the client that the server could not use.
 */
export interface ErrorMessage {
  type: "error";
  code: "bad_message" | "bad_subscription" | "bad_label";
  /**
   * One line for people
   */
  message: string;
}

/**
 * Asks for the server's time. offset = t - (sent + received) / 2, best of the last 8.
 */
export interface Ping {
  type: "ping";
  /**
   * Any JSON value; the pong repeats it
   */
  id?: unknown;
}

/**
 * Replaces the subscription; answered by a hello, or by an error bad_subscription that changes nothing.
 */
export interface Subscribe {
  type: "subscribe";
  /**
   * Absent: pose only
   */
  streams?: ("pose" | "emg" | "imu" | "status")[];
  /**
   * Poses per second at most; absent: every pose
   */
  max_rate?: number;
}

/**
 * The hand's true pose at one moment: learned from while a fit runs, recorded while a recording runs. At most 120 a second and armband; a wrong one is answered by an error bad_label and changes nothing.
 */
export interface Label {
  type: "label";
  /**
   * Index of the armband
   */
  device?: number;
  /**
   * When the camera saw it, Unix seconds on the server's clock
   */
  t: number;
  /**
   * The hand that was seen; absent: the one that wears the band
   */
  hand?: "left" | "right";
  /**
   * 21 points in MediaPipe's order, x y z in mm, in any right-handed frame
   */
  joints?: number[];
  /**
   * Instead of joints: degrees, any of the 20 angles by name
   */
  angles?: {
    [k: string]: number;
  };
  /**
   * What saw it: webcam, leap
   */
  source?: string;
  /**
   * How sure the camera is
   */
  confidence?: null | number;
}

/**
 * A note in the recording. A wrong one is answered by an error bad_label.
 */
export interface Marker {
  type: "marker";
  /**
   * Index of the armband
   */
  device?: number;
  /**
   * Unix seconds on the server's clock; absent: now
   */
  t?: null | number;
  /**
   * The note
   */
  label: string;
}
