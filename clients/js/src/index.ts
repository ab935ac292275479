export { Address } from "./address.js";
export {
  Api, ApiError, type AlignmentAction, type DeviceAction, type PersonalAction, type RecordingAction, type ReplayAction,
} from "./api.js";
export { Client, connect, type Options } from "./client.js";
export { ClockOffset } from "./clock.js";
export type { Connection, ConnectionError, Phase, Trouble } from "./connection.js";
export { decode, decodeBinary, decodeText, ProtocolError } from "./decode.js";
export type { Environment, WebSocketConstructor, WebSocketLike } from "./environment.js";
export { BONES, CHANNELS, JOINTS, PARENTS, POINTS, VALUES, type JointName } from "./hand.js";
export type * from "./messages.js";
