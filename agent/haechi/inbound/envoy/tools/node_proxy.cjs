// Leads a Node program's HTTP and HTTPS through the proxy of HTTPS_PROXY. Loaded by `haechi run` through NODE_OPTIONS,
// because Node before 22.21 and 24.5 ignores proxy variables. Node's own modules only.
//
// Covers: http and https with any agent that makes its connections as Node's own agents do (the AWS SDK's included),
// and everything that asks undici's global dispatcher (`fetch`, and the undici package where a program has it).
// Does not cover: http2.connect, sockets opened by hand (net, tls), agents and dispatchers that open their own.
'use strict';

const native = Boolean(process.env.NODE_USE_ENV_PROXY)
  && ((([major, minor]) => major > 24 || (major === 24 && minor >= 5) || (major === 22 && minor >= 21)))(
    process.versions.node.split('.').map(Number));
const named = process.env.HTTPS_PROXY || process.env.https_proxy;

if (named && !native) {
  const http = require('http');
  const https = require('https');
  const net = require('net');
  const tls = require('tls');
  const proxy = new URL(named);
  const proxyPort = Number(proxy.port || 80);

  const bare = (host) => String(host || 'localhost').replace(/^\[|\]$/g, '').toLowerCase();
  const direct = (host, port) =>
    host === 'localhost' || host === '::1' || /^127\.\d+\.\d+\.\d+$/.test(host)
    || (host === bare(proxy.hostname) && Number(port) === proxyPort);

  // Opens a tunnel to host:port and hands over its socket, before any TLS.
  const tunnel = (host, port, done) => {
    const goal = `${net.isIPv6(host) ? `[${host}]` : host}:${port}`;
    const asked = http.request({
      method: 'CONNECT', path: goal, headers: {host: goal}, // no agent: createConnection speaks for itself
      createConnection: () => net.connect({host: bare(proxy.hostname), port: proxyPort}),
    });
    asked.once('connect', (answer, socket, head) => {
      asked.removeAllListeners('error');
      if (answer.statusCode !== 200) {
        socket.destroy();
        done(new Error(`haechi: the proxy answered ${answer.statusCode} for ${goal}`));
        return;
      }
      if (head.length) socket.unshift(head);
      done(null, socket);
    });
    asked.once('error', done);
    asked.end();
  };

  // Node looks createConnection up on the agent: replacing it on the prototype reaches agents that programs make.
  for (const [Agent, usual] of [[http.Agent, 80], [https.Agent, 443]]) {
    const connect = Agent.prototype.createConnection;
    Agent.prototype.createConnection = function createConnection(options, done) {
      const plain = typeof options !== 'object' || options === null || options.socketPath || options.path || options.socket;
      const host = plain ? '' : bare(options.hostname || options.host);
      const port = plain ? 0 : options.port || usual;
      if (plain || typeof done !== 'function' || direct(host, port)) return connect.apply(this, arguments);
      tunnel(host, port, (error, socket) => {
        if (error) return done(error);
        if (usual === 80) return done(null, socket);
        try {
          return done(null, connect.call(this, {...options, socket}));
        } catch (failure) {
          return done(failure);
        }
      });
      return undefined;
    };
  }

  // Naming Headers makes Node load its undici, which then sets its dispatcher: the only way to its Agent class.
  const place = Symbol.for('undici.globalDispatcher.1');
  if (typeof globalThis.Headers === 'function' && globalThis[place]) {
    const connect = (options, done) => {
      const secure = options.protocol === 'https:';
      const host = bare(options.hostname);
      const port = options.port || (secure ? 443 : 80);
      const wrap = (error, socket) => {
        if (error) return done(error, null);
        if (!secure) return done(null, socket);
        const servername = options.servername || (net.isIP(host) ? undefined : host);
        const ended = tls.connect({socket, servername, host, ALPNProtocols: ['http/1.1']});
        const failed = (failure) => done(failure, null);
        ended.once('error', failed);
        return ended.once('secureConnect', () => {
          ended.removeListener('error', failed);
          done(null, ended);
        });
      };
      if (!direct(host, port)) return tunnel(host, port, wrap);
      const socket = net.connect({host, port});
      const failed = (failure) => wrap(failure);
      socket.once('error', failed);
      return socket.once('connect', () => {
        socket.removeListener('error', failed);
        wrap(null, socket);
      });
    };
    const Dispatcher = globalThis[place].constructor;
    Object.defineProperty(globalThis, place,
      {value: new Dispatcher({connect}), writable: true, enumerable: false, configurable: false});
  }
}
