import assert from 'node:assert/strict';
import { test } from 'node:test';
import { inputCommands, newInput } from '../../src/shared/audio_inputs';
import { cameraSound } from '../../src/shared/camera_sound';
import type { AudioPreferences } from '../../src/shared/settings';

const audio: AudioPreferences = { systemSound: false, microphoneMuted: false, systemMuted: false, microphoneVolume: 1, systemVolume: 1 };
const camera = { id: 'camera:/dev/video0', lastingId: 'camera:/dev/video0', kind: 'camera', title: 'BRIO', program: '', x: 0, y: 0, width: 2, height: 2, thumbnailUrl: '', microphone: 'brio' };
const sources = { microphones: [{ id: 'default', name: 'Headset' }, { id: 'headset', name: 'Headset' }, { id: 'brio', name: 'BRIO Analog Stereo' }] };

test('a camera’s microphone is one click away, and called as the camera', () => {
  const sound = cameraSound({ ...audio, inputs: [newInput('input-1', { kind: 'system_sound', device: 'default' })] }, sources, camera);
  assert.equal(sound?.on, false);
  assert.equal(sound?.name, 'BRIO Analog Stereo');
  const inputs = sound?.change.inputs ?? [];
  assert.deepEqual(inputs[1], newInput('input-2', { kind: 'microphone', device: 'brio' }, 'BRIO'));
  assert.deepEqual(inputCommands(inputs.slice(0, 1), inputs), [
    { type: 'add_audio_input', id: 'input-2', source: { kind: 'microphone', device: 'brio' } },
    { type: 'set_audio_input', id: 'input-2', change: { name: 'BRIO' } },
  ]);
  const again = cameraSound({ ...audio, ...sound?.change }, sources, camera);
  assert.equal(again?.on, true);
  assert.deepEqual(again?.change.inputs, inputs.slice(0, 1));
});

test('its keys go with it, and those of others stay', () => {
  const chord = { code: 'F8', ctrl: false, alt: false, shift: false, meta: false };
  const key = (input: string) => ({ action: 'mute', input, chord, label: '' }) as const;
  const inputs = [newInput('input-1', { kind: 'microphone', device: 'brio' }, 'BRIO')];
  const sound = cameraSound({ ...audio, inputs, hotKeys: [key('input-1'), key('microphone')] }, sources, camera);
  assert.deepEqual(sound?.change, { inputs: [], hotKeys: [key('microphone')] });
});

test('a microphone that is heard already is not added a second time', () => {
  assert.deepEqual(cameraSound({ ...audio, microphone: 'brio' }, sources, camera)?.change, { inputs: [], microphone: '' });
  const isDefault = { microphones: [{ id: 'default', name: 'BRIO Analog Stereo' }, ...sources.microphones.slice(1)] };
  assert.equal(cameraSound({ ...audio, microphone: 'default' }, isDefault, camera)?.on, true);
  assert.equal(cameraSound({ ...audio, microphone: 'default' }, sources, camera)?.on, false);
});

test('a camera without a microphone, or whose microphone is unplugged, offers none', () => {
  assert.equal(cameraSound(audio, sources, { ...camera, microphone: undefined }), undefined);
  assert.equal(cameraSound(audio, { microphones: [] }, camera), undefined);
});
