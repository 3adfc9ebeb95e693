// Chromium by the WebDriver protocol (W3C WebDriver Level 2). It ends with the server of its file.
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { setTimeout as sleep } from 'node:timers/promises'
import { answers, family, freePorts, server, spki } from './world.mjs'

const isThere = () => {
  try {
    return execFileSync('chromedriver', ['--version'], { stdio: 'pipe' })
  } catch {
    return null
  }
}
export const skip = !isThere() && 'chromedriver is missing (Debian: chromium-driver)'

// Believes the certificate of the tests. `more`: words of Chromium's command line.
export async function chromium(...more) {
  const { at, children } = await server()
  const [port] = await freePorts(1)
  const driver = family('chromedriver', [`--port=${port}`], 'ignore')
  children.push(driver)
  const base = `http://127.0.0.1:${port}`
  await answers(`${base}/status`, driver)
  const send = async (path, body, method = 'POST') => {
    const answer = await fetch(`${base}${path}`, { method, body: method === 'POST' ? JSON.stringify(body) : undefined })
    const { value } = await answer.json()
    assert.ok(answer.ok, JSON.stringify(value))
    return value
  }
  const args = ['--headless', '--no-sandbox', '--disable-gpu', `--ignore-certificate-errors-spki-list=${spki(at('server'))}`, ...more]
  const { sessionId } = await send('/session', { capabilities: { alwaysMatch: { browserName: 'chrome', 'goog:chromeOptions': { args } } } })
  const session = `/session/${sessionId}`
  const ask = (path, body, method) => send(`${session}${path}`, body, method)
  const url = () => ask('/url', undefined, 'GET')
  // The first element, as soon as the page has it.
  const find = async (selector) => {
    for (let tries = 0; ; tries++) {
      const found = await ask('/element', { using: 'css selector', value: selector }).catch((error) => error)
      if (!(found instanceof Error)) return Object.values(found)[0]
      if (tries === 100) throw new Error(`no ${selector} at ${await url()}: ${found.message}`)
      await sleep(100)
    }
  }
  // A page may be replaced between these two steps. Then nothing was done, and the element is looked for on the new page.
  const does = async (selector, action, body) => {
    for (let tries = 0; ; tries++) {
      try {
        return await ask(`/element/${await find(selector)}/${action}`, body)
      } catch (error) {
        if (tries === 10 || !error.message.includes('stale element reference')) throw error
      }
    }
  }
  return {
    ask,
    go: (to) => ask('/url', { url: to }),
    type: (name, text) => does(`input[name="${name}"]`, 'value', { text }),
    // Two presses in a row need selectors that tell their pages apart: the first page stays until the second one is there.
    press: (selector) => does(selector, 'click', {}),
    // Where the browser is, once its address begins like this. Nobody has to answer there.
    landed: async (beginning) => {
      for (let tries = 0; tries < 100; tries++) {
        const now = await url()
        if (now.startsWith(beginning)) return new URL(now)
        await sleep(100)
      }
      throw new Error(`the browser is at ${await url()}`)
    },
  }
}
