/** Named functions for the page; nothing generic, nothing of Electron's own reaches it. */
import { contextBridge, ipcRenderer } from 'electron';
import { channelOf, type Answer, type Bridge, type CallName, type Calls, type MessageName, type Messages } from '../shared/contract';

function call<Name extends CallName>(name: Name) {
  return (...args: Calls[Name]['args']): Promise<Answer<Calls[Name]['result']>> => ipcRenderer.invoke(channelOf(name), ...args);
}

function on<Name extends MessageName>(name: Name) {
  return (listener: (message: Messages[Name]) => void): (() => void) => {
    const wrapped = (_event: unknown, message: Messages[Name]): void => listener(message);
    ipcRenderer.on(channelOf(name), wrapped);
    return () => {
      ipcRenderer.removeListener(channelOf(name), wrapped);
    };
  };
}

const bridge: Bridge = {
  bootstrap: call('bootstrap'),
  listSources: call('listSources'),
  addSource: call('addSource'),
  removeSource: call('removeSource'),
  choosePicture: call('choosePicture'),
  probeEncoders: call('probeEncoders'),
  startCapture: call('startCapture'),
  showScene: call('showScene'),
  stopCapture: call('stopCapture'),
  changeVideo: call('changeVideo'),
  changeTuning: call('changeTuning'),
  changeAudio: call('changeAudio'),
  pressKey: call('pressKey'),
  goLive: call('goLive'),
  endLive: call('endLive'),
  saveCanvas: call('saveCanvas'),
  removeCanvas: call('removeCanvas'),
  canvasCost: call('canvasCost'),
  simulcastCost: call('simulcastCost'),
  saveDestination: call('saveDestination'),
  removeDestination: call('removeDestination'),
  switchDestination: call('switchDestination'),
  retryDestination: call('retryDestination'),
  testDestination: call('testDestination'),
  choosePrimary: call('choosePrimary'),
  saveProfile: call('saveProfile'),
  removeProfile: call('removeProfile'),
  pickProfile: call('pickProfile'),
  startRecording: call('startRecording'),
  stopRecording: call('stopRecording'),
  pauseRecording: call('pauseRecording'),
  addChapter: call('addChapter'),
  saveReplay: call('saveReplay'),
  changeRecording: call('changeRecording'),
  chooseRecordingFolder: call('chooseRecordingFolder'),
  showSaved: call('showSaved'),
  openPreview: call('openPreview'),
  changeSettings: call('changeSettings'),
  forgetWhipKey: call('forgetWhipKey'),
  copyViewLink: call('copyViewLink'),
  copyDiagnostics: call('copyDiagnostics'),
  restartEngine: call('restartEngine'),
  answerQuit: call('answerQuit'),
  onState: on('state'),
  onStats: on('stats'),
  onEncoders: on('encoders'),
  onHost: on('host'),
  onSettings: on('settings'),
  onNotice: on('notice'),
  onMirrored: on('mirrored'),
  onAskQuit: on('askQuit'),
  onHotKey: on('hotKey'),
};

contextBridge.exposeInMainWorld('tidecast', bridge);
