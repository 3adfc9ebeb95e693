package android.content

abstract class Context

class ActivityNotFoundException : RuntimeException()
