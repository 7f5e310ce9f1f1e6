/**
 * Seals the WHIP key with the system's secure storage, where there is one.
 *
 * Where there is none (Electron before 15, or a Linux session without a keyring, whose "basic_text" back end only
 * obfuscates) nothing is ever written: the key lives in memory until the app closes, and the page says so.
 */
import * as electron from 'electron';

type SafeStorage = typeof electron.safeStorage;

function storage(): SafeStorage | undefined {
  const found: SafeStorage | undefined = 'safeStorage' in electron ? electron.safeStorage : undefined;
  if (found === undefined || !found.isEncryptionAvailable()) return undefined;
  const backend =
    process.platform === 'linux' && 'getSelectedStorageBackend' in found ? found.getSelectedStorageBackend() : '';
  return backend === 'basic_text' ? undefined : found;
}

export function canKeepSecrets(): boolean {
  return storage() !== undefined;
}

/** Base64 of the sealed text, or `undefined` where it can't be kept safely. */
export function seal(secret: string): string | undefined {
  return storage()?.encryptString(secret).toString('base64');
}

/** The text again; `undefined` where it was sealed by another user, machine or keyring. */
export function unseal(sealed: string): string | undefined {
  try {
    return storage()?.decryptString(Buffer.from(sealed, 'base64'));
  } catch {
    return undefined;
  }
}
