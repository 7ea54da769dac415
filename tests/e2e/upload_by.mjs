// Puts a file to a URL, the way that is named: fetch, https (its own agent), or http for a plain one.
import fs from 'node:fs';
import https from 'node:https';

const [how, file, url] = process.argv.slice(2);
const body = fs.readFileSync(file);
const told = (status, text) => {
  console.log(status, text);
  process.exit(status < 300 ? 0 : 1);
};
if (how === 'fetch') {
  const answer = await fetch(url, {method: 'PUT', body});
  told(answer.status, await answer.text());
} else {
  // As the AWS SDK does: an agent of the program's own, not the global one.
  const agent = new https.Agent({keepAlive: true});
  const asked = https.request(url, {method: 'PUT', agent, headers: {'content-length': body.length}}, (answer) => {
    let text = '';
    answer.on('data', (piece) => { text += piece; });
    answer.on('end', () => told(answer.statusCode, text));
  });
  asked.on('error', (error) => told(599, String(error)));
  asked.end(body);
}
