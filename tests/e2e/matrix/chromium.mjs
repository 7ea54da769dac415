// Chromium without a window uploads a file from a page of a small site on this machine, as a person would see it.
// chromium.mjs FOLDER-WITH-PUPPETEER form|fetch CHROMIUM FILE JSON [PICTURE]
// JSON: {url, fields} for a form (POST), {url} for a script's PUT. What the page shows is printed; 0 where it was kept.
import fs from 'node:fs';
import http from 'node:http';
import os from 'node:os';
import path from 'node:path';
import {createRequire} from 'node:module';

const [folder, how, chromium, file, said, picture] = process.argv.slice(2);
const {default: puppeteer} = createRequire(`${folder}/`)('puppeteer-core');
const {url, fields} = JSON.parse(said);
const quoted = (text) => text.replaceAll('&', '&amp;').replaceAll('"', '&quot;').replaceAll('<', '&lt;');
const hidden = Object.entries(fields ?? {}).map(([name, value]) => `<input type="hidden" name="${name}" value="${quoted(value)}">`);
const pages = {
  form: `<form method="post" enctype="multipart/form-data" action="${quoted(url)}">${hidden.join('')}
    <input type="file" name="file"><button>up</button></form>`,
  fetch: `<input type="file"><button>up</button><pre id="out"></pre><script>
    document.querySelector('button').onclick = async () => {
      const out = document.getElementById('out');
      try {
        const answer = await fetch(${JSON.stringify(url)}, {method: 'PUT', body: document.querySelector('input').files[0]});
        out.textContent = answer.status + ' ' + await answer.text();
      } catch (error) { out.textContent = String(error); }
      out.className = 'done';
    };</script>`,
};
const site = http.createServer((_, answer) => {
  answer.setHeader('content-type', 'text/html; charset=utf-8');
  answer.end(`<!doctype html><title>site</title>${pages[how]}`);
});
await new Promise((ready) => site.listen(0, '127.0.0.1', ready));
const profile = fs.mkdtempSync(path.join(os.tmpdir(), 'haechi-chromium-'));
// --no-sandbox: continuous integration is root, in containers that give no namespaces; these pages are our own.
const browser = await puppeteer.launch({
  executablePath: chromium, headless: true, userDataDir: profile, args: ['--no-sandbox', '--disable-dev-shm-usage'],
});
try {
  const page = await browser.newPage();
  await page.setViewport({width: 1000, height: 700});
  await page.goto(`http://127.0.0.1:${site.address().port}/`);
  await (await page.$('input[type=file]')).uploadFile(file);
  let status;
  if (how === 'form') {
    const [answer] = await Promise.all([page.waitForNavigation({timeout: 40_000}), page.click('button')]);
    status = answer.status();
    console.log(status, await page.evaluate(() => document.body?.innerText ?? document.documentElement.textContent));
  } else {
    await page.click('button');
    await page.waitForSelector('#out.done', {timeout: 40_000});
    const text = await page.$eval('#out', (out) => out.textContent);
    status = parseInt(text, 10);
    console.log(text);
  }
  if (picture) await page.screenshot({path: picture});
  process.exitCode = status >= 200 && status < 300 ? 0 : 1;
} catch (error) {
  console.error(String(error));
  process.exitCode = 2;
} finally {
  await browser.close();
  site.close();
  fs.rmSync(profile, {recursive: true, force: true});
}
