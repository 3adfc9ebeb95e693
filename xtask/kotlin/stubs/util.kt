package android.util

object Base64 {
    const val NO_PADDING: Int = 1
    const val NO_WRAP: Int = 2
    const val URL_SAFE: Int = 8
    fun encodeToString(input: ByteArray, flags: Int): String = TODO()
}
