package org.json

class JSONObject() {
    constructor(json: String) : this()
    fun getString(name: String): String = TODO()
    fun has(name: String): Boolean = TODO()
    fun optJSONObject(name: String): JSONObject? = TODO()
    fun optString(name: String): String = TODO()
    fun getJSONObject(name: String): JSONObject = TODO()
    fun put(name: String, value: Any?): JSONObject = TODO()
    fun put(name: String, value: Int): JSONObject = TODO()
    fun put(name: String, value: Long): JSONObject = TODO()
    fun put(name: String, value: Boolean): JSONObject = TODO()
}
