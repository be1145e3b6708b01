// Loaded into the portal's backend by --require: measures its event loop and tells it on a socket.
// The path of the socket is in PURSER_LOOP_PROBE; each connection gets the figures since the last one.
const { monitorEventLoopDelay } = require('node:perf_hooks');
const net = require('node:net');

const where = process.env.PURSER_LOOP_PROBE;
if (where) {
  const histogram = monitorEventLoopDelay({ resolution: 1 });
  histogram.enable();
  const server = net.createServer(socket => {
    const figures = { p99: histogram.percentile(99) / 1e6, max: histogram.max / 1e6 };
    histogram.reset();
    socket.end(JSON.stringify(figures));
  });
  // Another process of the portal may have been first; then this one is not the backend.
  server.on('error', () => histogram.disable());
  server.listen(where);
  server.unref();
}
