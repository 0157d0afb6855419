// Reads a number from each line of its input, makes so many calls, and says how many were answered as they should be, and why
// the others were not. Connections stay open from one line to the next; GOAWAY is heard in the middle of calls or between them.
import http2 from 'node:http2';
import readline from 'node:readline';

const [url, key] = process.argv.slice(2);
const CONNECTIONS = 2, AT_ONCE = 8;
const sessions = Array(CONNECTIONS).fill(null);
let number = 0, failed = [];

function session(place) {
    const open = sessions[place];
    if (open && !open.closed && !open.destroyed && !open.gone) return open;
    const fresh = http2.connect(url);
    fresh.on('goaway', code => {
        fresh.gone = true;
        if (code) failed.push(`GOAWAY ${code}`);
    });
    fresh.on('error', error => failed.push(`connection: ${error}`));
    return sessions[place] = fresh;
}

// Says whether the call was answered; false when it never left, because GOAWAY came in the same moment.
function call(place) {
    const id = `node-${number++}`;
    return new Promise(done => {
        const stream = session(place).request({ ':path': `/steady/echo?${id}`, 'x-api-key': key, 'x-soak-id': id });
        let status = 0, text = '', fault = null;
        stream.setEncoding('utf8');
        stream.on('response', head => { status = head[':status']; });
        stream.on('data', data => { text += data; });
        stream.on('error', error => { fault = error; });
        stream.on('close', () => {
            if (stream.rstCode === http2.constants.NGHTTP2_REFUSED_STREAM) return done(false);
            const fits = !fault && status === 200 && text === `${id} GET /echo?${id} 0 0`;
            if (!fits) failed.push(`${id}: ${status} ${text} ${fault ?? ''}`.replaceAll('\n', ' '));
            done(true);
        });
        stream.end();
    });
}

for await (const line of readline.createInterface({ input: process.stdin })) {
    let left = Number(line);
    const asked = left;
    failed = [];
    const one = async place => {
        while (left > 0) {
            left--;
            if (!await call(place)) left++;
        }
    };
    const all = [];
    for (let place = 0; place < CONNECTIONS; place++) for (let i = 0; i < AT_ONCE; i++) all.push(one(place));
    await Promise.all(all);
    console.log(`${Math.max(0, asked - failed.length)} ${failed.slice(0, 3).join('; ')}`.trim());
}
for (const open of sessions) open?.close();
