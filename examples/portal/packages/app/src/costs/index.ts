export { costsPlugin } from './plugin';
