/** What the preload script gives to the page, and what the bundler takes in. */
import type { Bridge } from '../shared/contract';

declare global {
  interface Window {
    readonly tidecast: Bridge;
  }
}
