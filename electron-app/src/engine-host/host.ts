/** The engine host's entry. */
import { loadEngine } from './addon';
import { serve } from './serve';

serve(loadEngine);
