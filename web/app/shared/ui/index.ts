export * from "./controls";
export * from "./icons";
export * from "./sheet";
export * from "./spinner";
export * from "./states";
export * from "./top";
