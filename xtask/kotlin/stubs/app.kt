// What the listings leave to the app.
package app

import android.content.Context
import org.json.JSONObject

class Tokens
class Answer(val status: Int, val json: JSONObject, val retryAfterMs: Long)
class Pressed(val action: String, val fields: Map<String, String>)
class GoesOnInBrowser(val uri: String) : Exception()
class SignedOutException(val reason: String) : Exception()
class SignInException(val code: String, description: String, val reason: String) : Exception(description)

interface Screens {
    suspend fun show(step: JSONObject): Pressed
}

val context: Context = TODO()
val challengeEndpoint: String = TODO()
val clientId: String = TODO()
val scope: String = TODO()
val state: String = TODO()
val redirectUri: String = TODO()

suspend fun delay(milliseconds: Long): Unit = TODO()
suspend fun idTokenOf(provider: String, nonce: String): String = TODO()
fun randomVerifier(): String = TODO()
fun s256(verifier: String): String = TODO()
suspend fun post(url: String, form: Map<String, String>): Answer = TODO()
suspend fun redeem(code: String, verifier: String): Tokens = TODO()
suspend fun browserReturn(requestUri: String, state: String): String? = TODO()
suspend fun walletReturn(url: String): Map<String, String>? = TODO()
suspend fun browser(requestUri: String, state: String, verifier: String): Tokens = TODO()
