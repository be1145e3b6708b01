const { createServer } = require('node:http');

const name = ${{ values.name | dump }};
const port = Number(process.env.PORT ?? ${{ values.port or 8080 }});

createServer((request, response) => {
  response.end(`${name} at ${request.url}\n`);
}).listen(port);
