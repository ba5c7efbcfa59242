// ONNX Runtime's worker: worker.js THREADS PACKAGE, PACKAGE the folder of onnxruntime-node. Reads "make PATH SHAPE", SHAPE as
// 16x3x224x224, and "run SECONDS" as worker.lua does.
const ort = require(process.argv[3])
let session, feeds

async function answer(line) {
  const [verb, ...rest] = line.split(' ')
  if (verb === 'make') {
    session = await ort.InferenceSession.create(rest[0], {
      executionProviders: ['cpu'], intraOpNumThreads: Number(process.argv[2]), interOpNumThreads: 1, graphOptimizationLevel: 'all'})
    const shape = rest[1].split('x').map(Number)
    const x = Float32Array.from({length: shape.reduce((a, b) => a * b)}, () => 2 * Math.random() - 1)
    feeds = {x: new ort.Tensor('float32', x, shape)}
    return 'ready'
  }
  const times = [], start = performance.now()
  let now = start
  do {
    await session.run(feeds)
    const before = now
    now = performance.now()
    times.push(((now - before) / 1000).toFixed(6))
  } while (now - start < 1000 * Number(rest[0]))
  return times.join(' ')
}

async function main() {
  for await (const line of require('readline').createInterface({input: process.stdin})) console.log(await answer(line))
}
main()
