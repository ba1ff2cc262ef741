import { SOCK_STREAM } from "../native/binding.js";
import type { Poller } from "./poller.js";
import type { SocketTarget } from "./resolve.js";
import { UnixTransport } from "./unix.js";

/** The address as the kernel takes it. */
export function socketAddress(target: SocketTarget): Buffer {
  return Buffer.from(target.kind === "path" ? target.path : `\0${target.name}`);
}

/** Connects at once, or throws the system's error. */
export function connectUnix(poller: Poller, target: SocketTarget, spinUs: number): UnixTransport {
  const { native } = poller;
  const fd = native.socket(SOCK_STREAM);
  try {
    native.connect(fd, socketAddress(target));
  } catch (error) {
    native.close(fd);
    throw error;
  }
  return new UnixTransport(poller, fd, spinUs, true);
}
