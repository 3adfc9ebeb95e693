package android.view

abstract class View
