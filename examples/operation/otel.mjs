// Sends the traces of a process to a collector, as OTLP over HTTP. Load it before all else:
//   OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:4318 NODE_OPTIONS="--import /path/to/otel.mjs" iso-runtime serve
// The packages are installed beside this file:
//   npm install @opentelemetry/sdk-trace-node @opentelemetry/resources @opentelemetry/exporter-trace-otlp-http
import { OTLPTraceExporter } from "@opentelemetry/exporter-trace-otlp-http";
import { defaultResource, detectResources, envDetector, resourceFromAttributes } from "@opentelemetry/resources";
import { BatchSpanProcessor, NodeTracerProvider } from "@opentelemetry/sdk-trace-node";

// Where to send it, and with which headers, the exporter reads from the environment (OTEL_EXPORTER_OTLP_*).
const spanProcessors = [new BatchSpanProcessor(new OTLPTraceExporter())];
// OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES say otherwise.
const resource = defaultResource()
  .merge(resourceFromAttributes({ "service.name": "iso-runtime" }))
  .merge(detectResources({ detectors: [envDetector] }));
const provider = new NodeTracerProvider({ resource, spanProcessors });
// It also reads `traceparent` of requests, so that a run is a part of its caller's trace.
provider.register();

// What the last seconds were is sent before the process ends.
process.once("beforeExit", () => provider.shutdown().catch((error) => console.error(`traces: ${error.message}`)));
