export * from "./ChatPanel";
export * from "./Hearts";
export * from "./log";
export * from "./Who";
