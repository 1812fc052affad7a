import { backendSuite } from "../suites/backend-suite.js";
import { FakeRemoteBackend } from "../support/fake-remote.js";

backendSuite("fake-remote", () => new FakeRemoteBackend());
