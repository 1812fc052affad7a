// What the compiler cannot see by itself: style sheets, and the one name of Node's that shared types have.
declare module "*.css";
type Buffer = Uint8Array;
