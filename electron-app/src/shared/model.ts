/**
 * The engine's vocabulary as JavaScript sees it: commands in, replies and events out.
 *
 * Types only, and not written twice: they are the ones that the addon's build generates from Rust (discriminants in
 * `snake_case`, fields in `camelCase`). What is parsed at a trust boundary is parsed elsewhere: a type is not a
 * validation.
 */
export type {
  Aim,
  Area,
  AudioInput,
  AudioInputChange,
  AudioInputState,
  AudioSource,
  CanvasCost,
  CanvasSettings,
  CanvasState,
  CanvasStats,
  CaptureState,
  Command,
  Described,
  Destination,
  DestinationState,
  DestinationStats,
  Effect,
  Effort,
  Encoders,
  Event as EngineEvent,
  Filter,
  HotKey,
  LocalServer,
  MicrophoneInfo as Microphone,
  Outcome,
  Preview as PreviewEndpoint,
  Problem,
  PublishState,
  Reach,
  RecordFormat,
  RecordingState,
  RefusedEncoder,
  Reply,
  Sources,
  State,
  Stats,
  Tuning,
  VideoSettings,
  VideoSourceInfo as VideoSource,
} from '../../native/index';
